package keeper_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/exeunt/exeunt/store/vault"
	"github.com/exeunt/exeunt/store/vault/keeper"
	"github.com/exeunt/exeunt/testdata/peers"
)

func TestCheck(t *testing.T) {
	for address, fine := range map[string]bool{
		"awskms://alias/exeunt?region=eu-central-1": true, "hashivault://exeunt": true,
		"gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k": true, "azurekeyvault://v.vault.azure.net/keys/exeunt": true,
		"": false, "awskms://": false, "base64key://": false, "https://kms.example.com": false, "hashivault://token@exeunt": false,
	} {
		if err := keeper.Check(address); (err == nil) != fine {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// TestAWS has a key file sealed by moto, a third-party server that speaks AWS KMS:
// EXEUNT_TEST_MOTO is its program, moto_server.
func TestAWS(t *testing.T) {
	program := peers.Need(t, "EXEUNT_TEST_MOTO")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(address)
	server := exec.Command(program, "-H", "127.0.0.1", "-p", port)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	stop := func() {
		if server != nil {
			server.Process.Kill()
			server.Wait()
			server = nil
		}
	}
	t.Cleanup(stop)
	var key string
	for deadline := time.Now().Add(30 * time.Second); key == ""; time.Sleep(50 * time.Millisecond) {
		r, err := http.NewRequest(http.MethodPost, "http://"+address, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Target", "TrentService.CreateKey")
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=a/20261122/eu-central-1/kms/aws4_request, SignedHeaders=host, Signature=0")
		if answer, err := http.DefaultClient.Do(r); err == nil {
			raw, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if m := regexp.MustCompile(`"KeyId": ?"([^"]+)"`).FindSubmatch(raw); m != nil {
				key = string(m[1])
			}
		}
		if key == "" && time.Now().After(deadline) {
			t.Fatal("moto does not make a key")
		}
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
	t.Setenv("AWS_ENDPOINT_URL_KMS", "http://"+address)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	open := func(id string) *keeper.Keeper {
		k, err := keeper.Open(t.Context(), fmt.Sprintf("awskms://%s?region=eu-central-1", id))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { k.Close() })
		return k
	}
	path := filepath.Join(t.TempDir(), "exeunt.keys")
	if _, err := vault.OpenOrCreate(t.Context(), path, open(key), time.Now()); err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(path); err != nil || bytes.Contains(raw, []byte(`"keys"`)) {
		t.Errorf("the key file is in clear: %s, %v", raw, err)
	}
	if _, err := vault.Open(t.Context(), path, open(key)); err != nil {
		t.Errorf("opened again: %v", err)
	}
	if _, err := vault.Open(t.Context(), path, nil); err == nil {
		t.Error("it was opened without the keeper")
	}
	if _, err := open("no-such-key").Encrypt(t.Context(), []byte("x")); err == nil || !strings.Contains(err.Error(), "keys.keeper") {
		t.Errorf("a key that does not exist: %v", err)
	}
	stop()
	_, err = vault.Open(t.Context(), path, open(key))
	if err == nil || !strings.Contains(err.Error(), "does not answer") || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), address) {
		t.Errorf("the service is down: %v", err)
	}
}
