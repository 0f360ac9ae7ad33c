package rest

import (
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
	"github.com/exeunt/exeunt/bridge/recipes"
)

// Config registers an app whose API a recipe describes.
type Config struct {
	// Recipe is the name of a built-in recipe, or the path of a file.
	Recipe string `yaml:"recipe" json:"recipe"`
	// Params are the recipe's params, by name.
	Params map[string]string `yaml:"params,omitempty" json:"params,omitempty"`
	// Secrets are the secrets that the recipe's auth refers to, by name.
	Secrets map[string]bridge.Secret `yaml:"secrets,omitempty" json:"secrets,omitempty"`

	call.Egress `yaml:",inline"`
}

// Root has relative file names count from dir.
func (c *Config) Root(dir string) {
	if isPath(c.Recipe) && !filepath.IsAbs(c.Recipe) {
		c.Recipe = filepath.Join(dir, c.Recipe)
	}
	c.Egress.Root(dir)
}

// Validate returns every mistake in c. Field is the path in YAML. It asks nobody
// and reads no file: what a recipe of one's own demands is for Open to say.
func (c *Config) Validate() []*bridge.Error {
	problems := c.Egress.Validate()
	src, builtIn := recipes.Get(c.Recipe)
	switch {
	case c.Recipe == "":
		return append(problems, invalid("recipe", "is required: the name of a built-in recipe, or the path of a file"))
	case builtIn:
		_, more := c.fits(src)
		return append(problems, more...)
	case !isPath(c.Recipe):
		return append(problems, invalid("recipe", "there is no such built-in recipe"+meant(c.Recipe, recipes.Names())+
			"; a file of one's own is named with its path"))
	}
	return problems
}

// Open returns the connector of the app that c describes. It may read the file
// of a recipe, but asks nobody. Its error is the first that there is.
func (c *Config) Open() (bridge.Connector, error) {
	if problems := c.Validate(); len(problems) > 0 {
		return nil, problems[0]
	}
	src, builtIn := recipes.Get(c.Recipe)
	if !builtIn {
		var err error
		if src, err = readFile(c.Recipe); err != nil {
			return nil, invalid("recipe", "the file cannot be read")
		}
	}
	r, problems := c.fits(src)
	if len(problems) > 0 {
		return nil, problems[0]
	}
	out, err := call.New(call.Config{Egress: c.Egress, Resets: r.resets()})
	if err != nil {
		return nil, err
	}
	return assemble(r, r.complete(c.Params), c.Secrets, out, time.Now)
}

func isPath(s string) bool { return strings.ContainsAny(s, `/\.`) }

// readFile reads no more of a file than a recipe may have.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxBytes+1))
}

// fits reads a recipe and says how c does not fit it.
func (c *Config) fits(src []byte) (*Recipe, []*bridge.Error) {
	r, err := Load(src)
	if err != nil {
		return nil, []*bridge.Error{invalid("recipe", "the recipe has mistakes:\n"+err.Error())}
	}
	return r, append(c.checkParams(r), c.checkSecrets(r)...)
}

// complete adds the defaults.
func (r *Recipe) complete(given map[string]string) map[string]string {
	out := map[string]string{}
	for name, p := range r.Params {
		if p.Default != "" {
			out[name] = p.Default
		}
	}
	maps.Copy(out, given)
	return out
}

func (c *Config) checkParams(r *Recipe) (problems []*bridge.Error) {
	known := slices.Sorted(maps.Keys(r.Params))
	for _, name := range slices.Sorted(maps.Keys(c.Params)) {
		if _, ok := r.Params[name]; !ok {
			problems = append(problems, invalid("params."+name, "the recipe has no such param"+meant(name, known)))
		}
	}
	all := r.complete(c.Params)
	for _, name := range known {
		p, field := r.Params[name], "params."+name
		v, given := all[name]
		if !given || v == "" {
			if !p.Optional || given {
				problems = append(problems, invalid(field, "is required: "+or(p.About, "the recipe needs it")))
			}
			continue
		}
		if p.Type == "url" {
			if bad := c.CheckURL(field, v); bad != nil {
				problems = append(problems, bad)
				continue
			}
		}
		if wrong := p.wrong(v); wrong != "" {
			problems = append(problems, invalid(field, wrong))
		}
	}
	return problems
}

func (c *Config) checkSecrets(r *Recipe) (problems []*bridge.Error) {
	names := r.Auth.secrets()
	for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
		if !slices.Contains(names, name) {
			problems = append(problems, invalid("secrets."+name, "the recipe has no such secret"+meant(name, names)))
		}
	}
	for _, name := range names {
		field, value := "secrets."+name, string(c.Secrets[name])
		if value == "" {
			problems = append(problems, invalid(field, "is required by the recipe"))
		} else if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
			problems = append(problems, invalid(field, "must be printable ASCII; perhaps there is a line break at its end"))
		}
	}
	return problems
}

// secrets are the names of the secrets that auth refers to.
func (a *Auth) secrets() (names []string) {
	for _, s := range []*SecretName{a.Password, a.Token, a.Value, a.ClientID, a.ClientSecret} {
		if s != nil && !slices.Contains(names, s.Secret) {
			names = append(names, s.Secret)
		}
	}
	return names
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func invalid(field, message string) *bridge.Error {
	return &bridge.Error{Kind: bridge.KindInvalid, Field: field, Message: message}
}
