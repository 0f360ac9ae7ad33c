package server

import "github.com/exeunt/exeunt/scim"

// Schemes are the ways in which a source may say who it is. RFC 7643 has no
// type for client certificates; oauth2 is the nearest, because RFC 8705 is theirs.
func (s *Server) Schemes(source string) (schemes []scim.Scheme) {
	how := s.now.Load().Sources[source]
	and := ""
	if how.MTLS != nil {
		and = " A TLS client certificate must be shown too."
		if how.MTLS.Alone {
			and = " The TLS client certificate must be shown all the same."
			schemes = append(schemes, scim.Scheme{Type: "oauth2", Name: "TLS Client Certificate",
				Description: "A certificate that is shown in TLS is enough; no OAuth server takes part.", Spec: "https://www.rfc-editor.org/info/rfc8705"})
		}
	}
	if how.JWT != nil {
		schemes = append(schemes, scim.Scheme{Type: "oauth2", Name: "OAuth 2.0 Access Token",
			Description: "A JWT of the issuer that was agreed, got by client credentials, in the Authorization header (RFC 9068)." + and,
			Spec:        "https://www.rfc-editor.org/info/rfc9068"})
	}
	bearer := scim.BearerToken
	bearer.Description += and
	return append(schemes, bearer)
}
