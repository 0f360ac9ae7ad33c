package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/server"
)

// client speaks to a running exeunt as the operator.
type client struct {
	url   string
	token bridge.Secret
	http  *http.Client
}

// errNobody says that no exeunt listens where the configuration says.
var errNobody = errors.New("nobody answers")

// clientOf returns a client for the server that runs with this configuration.
func clientOf(c *cobra.Command, config server.Config) (*client, error) {
	token := config.AdminToken
	if file, _ := c.Flags().GetString("operator"); file != "" {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, misusef("the operator's token cannot be read: %w", err)
		}
		token = bridge.Secret(strings.TrimSpace(string(raw)))
	}
	if token == "" {
		raw, err := os.ReadFile(filepath.Join(config.Data, adminFile))
		if err != nil {
			return nil, misusef("no administrator's token: set admin_token in the configuration, or run this where %s is", filepath.Join(config.Data, adminFile))
		}
		token = bridge.Secret(strings.TrimSpace(string(raw)))
	}
	url, _ := c.Flags().GetString("url")
	if url == "" {
		if url = "http://" + reachable(config.Listen); config.TLS.On() {
			url = "https://" + reachable(config.Listen)
		}
	}
	return &client{strings.TrimSuffix(url, "/"), token, caller(config, 30*time.Second)}, nil
}

// caller returns a client for the server that runs with this configuration. If
// that ends TLS itself, its certificate is known, and is trusted whatever name
// the server is called by here; any other must be in order for that name.
func caller(config server.Config, limit time.Duration) *http.Client {
	own := config.TLS.Leaf()
	checked := &tls.Config{MinVersion: tls.VersionTLS12}
	if own != nil {
		checked.InsecureSkipVerify = true // VerifyConnection does it
		checked.VerifyConnection = func(s tls.ConnectionState) error {
			if s.PeerCertificates[0].Equal(own) {
				return nil
			}
			if s.ServerName == "" { // an address, for which no name could be checked
				return x509.UnknownAuthorityError{Cert: s.PeerCertificates[0]}
			}
			between := x509.NewCertPool()
			for _, one := range s.PeerCertificates[1:] {
				between.AddCert(one)
			}
			_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: s.ServerName, Intermediates: between})
			return err
		}
	}
	return &http.Client{
		Timeout:   limit,
		Transport: &http.Transport{TLSClientConfig: checked, DisableKeepAlives: true},
		// no redirects: the token is for that server only
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// reachable turns an address to listen on into one to call.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listen
}

// call sends body as JSON, if there is one, and reads the answer into
// answer: from JSON, or as it is into a *[]byte.
func (c *client) call(ctx context.Context, method, path string, body, answer any) error {
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, payload)
	if err != nil {
		return misusef("%s is not a URL; give --url as http://host:port", c.url)
	}
	r.Header.Set("Authorization", "Bearer "+string(c.token))
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(r)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return &exit{failed, errNobodyAt(c.url)}
	}
	if unknown := (*tls.CertificateVerificationError)(nil); errors.As(err, &unknown) || errors.As(err, new(x509.UnknownAuthorityError)) || errors.As(err, new(x509.HostnameError)) {
		return failf("the certificate at %s is not that of the configuration, nor in order for this name; if it was replaced, reload exeunt", c.url)
	}
	if err != nil {
		return failf("%s cannot be reached; is exeunt serve running, and is --url right?", c.url)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil {
		return failf("the answer of %s was cut off; try again", c.url)
	}
	if response.StatusCode >= 300 {
		var problem struct {
			Detail string `json:"detail"`
		}
		json.Unmarshal(raw, &problem) // a proxy may answer something else: then the status has to do
		if response.StatusCode == http.StatusUnauthorized {
			problem.Detail = "the administrator's token is not that of this server"
		}
		return failf("%s answered %s: %s", c.url, response.Status, plain(problem.Detail))
	}
	switch text, ok := answer.(*[]byte); {
	case answer == nil:
		return nil
	case ok:
		*text = raw
		return nil
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return failf("%s answered something else than exeunt would; is --url right?", c.url)
	}
	return nil
}

type nobody struct{ url string }

func errNobodyAt(url string) error { return nobody{url} }

func (n nobody) Error() string {
	return "nobody listens at " + n.url + "; start exeunt serve, or give --url"
}
func (n nobody) Is(target error) bool { return target == errNobody }

// plain is s without what a terminal would obey.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '�'
		}
		return r
	}, s)
}
