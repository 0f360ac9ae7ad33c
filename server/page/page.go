// Package page is what a person sees of exeunt: who asks to be forgotten, and who is
// signed out. Small pages without scripts, pictures, cookies or anything about anybody.
package page

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"net/http"
)

//go:embed erase.html logout.html page.css
var files embed.FS

// Erase is which page is shown.
type Erase string

const (
	Ask      Erase = "ask"      // asks whether it is meant
	Received Erase = "received" // it is
	NotGood  Erase = "not_good" // the link is unknown, has expired, or was used: it is not said which
	Slow     Erase = "slow"     // too many links that are not good
	Failed   Erase = "failed"   // ours; the link is still good
)

// Pages writes the pages.
type Pages struct {
	all    *template.Template
	style  template.CSS
	policy string
}

// New makes the pages, which are built in.
func New() *Pages {
	css, err := files.ReadFile("page.css")
	if err != nil {
		panic(err) // it is embedded
	}
	sum := sha256.Sum256(css) // of exactly what stands between the tags
	return &Pages{all: template.Must(template.ParseFS(files, "*.html")), style: template.CSS(css),
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"}
}

// Erase answers with a page for somebody who asks to be forgotten.
func (p *Pages) Erase(w http.ResponseWriter, status int, which Erase) error {
	return p.write(w, status, "erase.html", string(which))
}

// Logout answers with a page for somebody who is signed out; which is a saml.Page.
func (p *Pages) Logout(w http.ResponseWriter, status int, which string) error {
	return p.write(w, status, "logout.html", which)
}

// write answers with a page. The address may hold a secret, so nothing may keep it or
// send it on.
func (p *Pages) write(w http.ResponseWriter, status int, name, which string) error {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin") // with no-referrer, browsers would not say that our own form is ours
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	w.WriteHeader(status)
	return p.all.ExecuteTemplate(w, name, struct {
		Style template.CSS
		Which string
	}{p.style, which})
}
