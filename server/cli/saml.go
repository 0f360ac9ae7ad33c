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
				return misusef("SAML is not configured; write saml: and public_url: into the configuration")
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
	return group("saml", "What partners in SAML need to know of exeunt", metadata)
}
