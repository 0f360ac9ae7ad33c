package server

import (
	"net/http"
	"net/netip"
	"strings"
)

// peer is the address at the other end of the connection; the zero Addr if it
// has none.
func peer(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}

// client is where a request comes from. Whoever is connected says so itself,
// unless it is a trusted proxy: then it is the last one in X-Forwarded-For that
// is no trusted proxy either. What stands before that anybody can have written,
// and if something there is no address, whoever passed it on is the client.
func (s *state) client(r *http.Request) netip.Addr {
	from := peer(r)
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && contains(s.Proxies, from); i-- {
		before, ok := parseHop(hops[i])
		if !ok {
			break
		}
		from = before
	}
	return from
}

// parseHop reads an address as proxies write it: alone, in brackets, with a port.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if inner, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(inner, "]") {
		text = strings.TrimSuffix(inner, "]")
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		at, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = at.Addr()
	}
	return addr.Unmap().WithZone(""), true
}

// neighbourhood is the network of an address, for logs and for counting: one
// IPv6 client has at least a /64 of addresses to use in turn.
func neighbourhood(a netip.Addr, v4, v6 int) netip.Prefix {
	bits := v6
	if a.Is4() {
		bits = v4
	}
	p, _ := a.Prefix(bits) // the zero Prefix of the zero Addr
	return p
}
