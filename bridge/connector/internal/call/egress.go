package call

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"code.dny.dev/ssrf"

	"github.com/exeunt/exeunt/bridge"
)

// Egress is the part of an app's configuration that says where the app may be.
// Every HTTP connector's Config has it inline.
//
// Without it an app is on the public internet, at port 443, behind TLS.
type Egress struct {
	// AllowNetworks are networks in CIDR form ("10.1.0.0/16", "127.0.0.1/32")
	// in which the app may be, at any port and also without TLS.
	AllowNetworks []string `yaml:"allow_networks,omitempty" json:"allow_networks,omitempty"`
	// CAFile is a PEM file of certificate authorities to trust beside the
	// system's.
	CAFile string `yaml:"ca_file,omitempty" json:"ca_file,omitempty"`
}

// Root has relative file names count from dir.
func (e *Egress) Root(dir string) {
	if e.CAFile != "" && !filepath.IsAbs(e.CAFile) {
		e.CAFile = filepath.Join(dir, e.CAFile)
	}
}

// Validate returns every mistake in e, by field.
func (e Egress) Validate() (problems []*bridge.Error) {
	for i, s := range e.AllowNetworks {
		if _, err := netip.ParsePrefix(s); err != nil {
			problems = append(problems, bridge.Invalid(fmt.Sprintf("allow_networks[%d]", i),
				"%q is not a network in CIDR form, such as 10.1.0.0/16", s))
		}
	}
	return problems
}

// Dialer is the guarded way out for what is not HTTP: to networks that are
// allowed, and to public addresses at that port.
func (e Egress) Dialer(port uint16) *net.Dialer {
	g := &guard{allowed: e.prefixes(), public: ssrf.New(ssrf.WithPorts(port))}
	return &net.Dialer{Control: g.control}
}

func (e Egress) prefixes() (p []netip.Prefix) {
	for _, s := range e.AllowNetworks {
		if prefix, err := netip.ParsePrefix(s); err == nil {
			p = append(p, prefix.Masked())
		}
	}
	return p
}

// CheckURL says what is wrong with raw as the address of an app, or nil. It
// asks no name server: where a name leads is decided when it is dialled.
func (e Egress) CheckURL(field, raw string) *bridge.Error {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return bridge.Invalid(field, "is required")
	case err != nil || u.Hostname() == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return bridge.Invalid(field, "must be a URL that begins with https://")
	case u.User != nil:
		return bridge.Invalid(field, "must not hold a user name or password")
	case u.Fragment != "":
		return bridge.Invalid(field, "must not have a fragment")
	case u.Scheme == "http" && len(e.AllowNetworks) == 0:
		return bridge.Invalid(field, "must begin with https://; http:// is for networks listed in allow_networks")
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return nil
	}
	port, err := portOf(u)
	if err != nil {
		return bridge.Invalid(field, "has no valid port")
	}
	if newGuard(e.prefixes(), u.Scheme == "http").check(netip.AddrPortFrom(addr, port)) != nil {
		return bridge.Invalid(field, "is not a public address at port 443; list its network in allow_networks")
	}
	return nil
}

func portOf(u *url.URL) (uint16, error) {
	switch p := u.Port(); {
	case p != "":
		n, err := strconv.ParseUint(p, 10, 16)
		return uint16(n), err
	case u.Scheme == "http":
		return 80, nil
	default:
		return 443, nil
	}
}

// errForbidden says that a connection was refused by us, before it was made.
var errForbidden = errors.New("the address is not allowed; if it is right, list its network in allow_networks")

// guard decides about addresses. It is asked with the address that is really
// dialled, after name resolution, so that a name cannot lead elsewhere.
type guard struct {
	allowed []netip.Prefix
	public  *ssrf.Guardian // nil: nothing beyond allowed
}

// newGuard lets through the allowed networks and, unless named is true, public
// addresses at port 443.
func newGuard(allowed []netip.Prefix, named bool) *guard {
	g := &guard{allowed: allowed}
	if !named {
		g.public = ssrf.New(ssrf.WithPorts(443))
	}
	return g
}

// metadata reports whether a is where a cloud hands out credentials of the
// machine itself. No app lives there, so no list can allow it.
func metadata(a netip.Addr) bool {
	return slices.Contains([]string{
		"169.254.169.254", // AWS, Azure, Google and most others
		"169.254.170.2",   // AWS containers
		"168.63.129.16",   // Azure platform; a public address
		"100.100.100.200", // Alibaba
		"fd00:ec2::254",   // AWS over IPv6
	}, a.String())
}

func (g *guard) control(network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || (network != "tcp4" && network != "tcp6") {
		return errForbidden
	}
	return g.check(to)
}

func (g *guard) check(to netip.AddrPort) error {
	addr := to.Addr().Unmap()
	if metadata(addr) {
		return errForbidden
	}
	if slices.ContainsFunc(g.allowed, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		return nil
	}
	// The guardian sees the address as it is, not unmapped: it has its own view
	// of IPv4 in IPv6, which is to refuse it.
	if g.public == nil || g.public.SafeAddrPort(to) != nil {
		return errForbidden
	}
	return nil
}
