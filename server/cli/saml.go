package cli

import (
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/bridge/connector/saml"
)

func samlCommand() *cobra.Command {
	var fragment bool
	metadata := &cobra.Command{
		Use:   "metadata",
		Short: "Print exeunt's SAML metadata, for identity providers and apps",
		Long: `Prints who exeunt is in SAML, signed: what /saml/metadata answers. It reads the
configuration and the keys, and needs no server.

With --fragment it prints what the organisation's identity provider puts into its own
IDPSSODescriptor, so that apps with role delegate obey exeunt as they obey it.`,
		Example: `  exeunt saml metadata > exeunt-metadata.xml
  exeunt saml metadata --fragment`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := configOf(c)
			if err != nil {
				return err
			}
			authority, err := config.SAMLAuthority(false, zerolog.Nop())
			switch {
			case err != nil:
				return failf("%w; start exeunt once, which makes a key, or name one in saml.keys", err)
			case authority == nil:
				return misusef("SAML is not configured; register an app with connector: saml, or an identity provider in saml.idps, and set public_url")
			}
			print := func() ([]byte, error) { return authority.Metadata(saml.MetadataValid) }
			if fragment {
				print = authority.Fragment
			}
			text, err := print()
			if err != nil {
				return failf("%w", err)
			}
			_, err = c.OutOrStdout().Write(text)
			return err
		},
	}
	metadata.Flags().BoolVar(&fragment, "fragment", false, "only what an identity provider shows of exeunt to its apps")
	c := group("saml", "What partners in SAML need to know of exeunt", metadata)
	c.Long = `An app that people are signed in to by SAML ends their sessions only on the word of whoever
signed them in. So it must know exeunt, and be registered with connector: saml in one of two roles:

  delegate   its identity provider's metadata shows exeunt's key too; exeunt speaks in its name
  hub        its identity provider is exeunt

Identity providers in saml.idps may have somebody signed out of every app, at /saml/slo.`
	c.Example = `  exeunt saml metadata --fragment    for the identity provider of apps with role delegate
  exeunt saml metadata               for apps with role hub, and for identity providers
  exeunt app check                   does each app take exeunt's word?`
	return c
}
