// Package peers runs apps and providers that exeunt's authors did not write, so
// that tests can see real sessions live and die. Each is a process of its own on
// 127.0.0.1 that ends with the test. Only tests import it.
//
//	process.go       how a peer is started, and ended
//	apache.go        Apache, one for each module
//	op.go            the organisation's OpenID provider, the only one of ours
//	openidc.go       mod_auth_openidc: a relying party; how a browser signs in at one
//	express.go       express-openid-connect: another
//	oidcprovider.go  oidc-provider, for tokens that can be revoked and looked up
//	jose.go          jose, as a judge of tokens
package peers
