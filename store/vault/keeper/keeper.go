// Package keeper opens key management services that seal the key file: AWS KMS,
// Google Cloud KMS, Azure Key Vault, HashiCorp Vault. It is a package of its own
// because of what it brings along.
//
//	keeper.go  Open, Check; Keeper
//
// How each of them lets us in is its own affair: by the environment and files
// that its own tools use.
package keeper

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"gocloud.dev/gcerrors"
	"gocloud.dev/secrets"
	"gocloud.dev/secrets/awskms"
	"gocloud.dev/secrets/azurekeyvault"
	"gocloud.dev/secrets/gcpkms"
	"gocloud.dev/secrets/hashivault"
)

// limit is how long a service may take to answer.
const limit = 20 * time.Second

var schemes = []string{awskms.Scheme, azurekeyvault.Scheme, gcpkms.Scheme, hashivault.Scheme}

// Check says what is wrong with the address of a key, or nil. It asks nobody.
func Check(address string) error {
	u, err := url.Parse(address)
	if err != nil || !slices.Contains(schemes, u.Scheme) || u.Host+u.Path == "" {
		return fmt.Errorf("needs the address of a key that begins with %s", strings.Join(schemes[:3], "://, ")+":// or "+schemes[3]+"://")
	}
	if u.User != nil {
		return errors.New("must not hold a user name or password; the service's own environment or files say who we are")
	}
	return nil
}

// Keeper is a key that a service keeps; it is a vault.Keeper.
type Keeper struct {
	service string
	keeper  *secrets.Keeper
}

// Open opens the key at an address. Services that have to be asked who we are
// are asked at the first use.
func Open(ctx context.Context, address string) (*Keeper, error) {
	if err := Check(address); err != nil {
		return nil, err
	}
	service, _, _ := strings.Cut(address, ":")
	k, err := secrets.OpenKeeper(ctx, address)
	if err != nil {
		// The library's own words may repeat what is in the environment.
		return nil, fmt.Errorf("the keeper %s cannot be used: look at its address, and at the environment and files from which it takes credentials", service)
	}
	return &Keeper{service, k}, nil
}

// Encrypt has plain sealed by the service.
func (k *Keeper) Encrypt(ctx context.Context, plain []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	sealed, err := k.keeper.Encrypt(ctx, plain)
	return sealed, k.explain(err)
}

// Decrypt opens what Encrypt has sealed.
func (k *Keeper) Decrypt(ctx context.Context, sealed []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	plain, err := k.keeper.Decrypt(ctx, sealed)
	return plain, k.explain(err)
}

// Close lets go of the service's connections.
func (k *Keeper) Close() error { return k.keeper.Close() }

// explain is err without what the service said, which may repeat identities.
func (k *Keeper) explain(err error) error {
	if err == nil {
		return nil
	}
	what := "does not answer; make sure that it can be reached, and try again"
	switch gcerrors.Code(err) {
	case gcerrors.NotFound:
		what = "has no such key; look at keys.keeper"
	case gcerrors.PermissionDenied:
		what = "does not let us use the key; let whoever runs exeunt encrypt and decrypt with it"
	case gcerrors.InvalidArgument, gcerrors.FailedPrecondition:
		what = "refuses: the key file was sealed with another key, or the key is disabled"
	}
	return fmt.Errorf("the keeper %s %s", k.service, what)
}
