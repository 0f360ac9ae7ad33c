package peers

import "testing"

// ExpressRP starts an app that keeps its sessions with express-openid-connect: in
// sealed cookies, beside a memory of what was logged out.
func ExpressRP(t testing.TB, op *OP) *RelyingParty {
	t.Helper()
	at := StartNode(t, Need(t, "EXEUNT_TEST_OIDC"), "express.js",
		"ISSUER="+op.URL, "CLIENT_SECRET="+ClientSecret, "NODE_EXTRA_CA_CERTS="+op.CA)
	return &RelyingParty{
		ClientID: "express", PageURL: at + "/", BackChannel: at + "/backchannel-logout", Cookie: "appSession", op: op,
	}
}
