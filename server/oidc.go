package server

import (
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt/exeunt/bridge"
)

// keysKept is how long others may keep our public keys. A key that begins to sign must
// have been among them for longer.
const keysKept = 15 * time.Minute

// jwks answers GET /oidc/jwks: the keys that logout tokens are signed with (RFC 7517,
// section 5). They are for everybody, and say nothing of anybody.
func (s *Server) jwks(c echo.Context) error {
	keys := s.now.Load().JWKS
	if keys == nil {
		return bridge.Errorf(bridge.KindNotFound, "nothing is said here in OpenID Connect")
	}
	h := c.Response().Header()
	h.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(keysKept.Seconds())))
	return c.Blob(http.StatusOK, "application/jwk-set+json", keys)
}
