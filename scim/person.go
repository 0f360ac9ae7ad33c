package scim

import (
	"slices"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/exeunt/exeunt/bridge"
)

// describe writes a complete user into p: the resource, and what the bridge
// must know of it. p.Active is the answer when the resource says nothing:
// absence never deactivates anybody, nor brings them back, nor lifts a legal hold.
func describe(p *bridge.Person, t *resourceType, res map[string]any, missing scimerrors.ScimType) error {
	active, said := res["active"].(bool)
	if !said {
		active = p.Active
		res["active"] = active
	}
	hold := holdOf(p.Hold, res)
	if err := t.keepFixed(p.Resource, res); err != nil {
		return err
	}
	if err := t.finish(res, missing); err != nil {
		return err
	}
	p.Active, p.Hold = active, hold
	p.UserName, _ = res["userName"].(string)
	p.ExternalID, _ = res["externalId"].(string)
	p.DisplayName, _ = res["displayName"].(string)
	p.Emails = emails(res["emails"])
	p.Resource = appendJSON(make([]byte, 0, max(1024, len(p.Resource)+64)), res)
	return fits(p.Resource)
}

// maxResource bounds one resource without members, in bytes: many of them stand
// in one answer. The body of a request may be longer, for the sake of members.
const maxResource = 1 << 20

func fits(resource []byte) error {
	if len(resource) > maxResource {
		return fault(scimerrors.ScimTypeInvalidValue, "the resource is longer than %d bytes", maxResource)
	}
	return nil
}

// emails returns the addresses, the primary one first, none twice.
func emails(v any) (addresses []string) {
	list, _ := v.([]any)
	for _, e := range list {
		m, _ := e.(map[string]any)
		s, _ := m["value"].(string)
		if s == "" {
			continue
		}
		at := slices.Index(addresses, s)
		switch {
		case isPrimary(e) && at >= 0:
			addresses = slices.Insert(slices.Delete(addresses, at, at+1), 0, s)
		case isPrimary(e):
			addresses = slices.Insert(addresses, 0, s)
		case at < 0:
			addresses = append(addresses, s)
		}
	}
	return addresses
}

// describeGroup writes a complete group into g, as describe.
func describeGroup(g *bridge.Group, t *resourceType, res map[string]any, missing scimerrors.ScimType) error {
	delete(res, "members")
	if err := t.keepFixed(g.Resource, res); err != nil {
		return err
	}
	if err := t.finish(res, missing); err != nil {
		return err
	}
	g.DisplayName, _ = res["displayName"].(string)
	g.ExternalID, _ = res["externalId"].(string)
	g.Resource = appendJSON(make([]byte, 0, max(256, len(g.Resource)+64)), res)
	return fits(g.Resource)
}

// decodeStored reads a resource that we wrote ourselves.
func decodeStored(resource []byte) (map[string]any, error) {
	return decodeObject(resource, Limits{Depth: 1 << 10, Values: 1 << 30})
}
