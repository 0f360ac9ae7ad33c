// Package page is what a person sees who asks for themselves to be forgotten: three
// small pages without scripts, pictures, cookies or anything about anybody.
package page

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"net/http"
)

//go:embed erase.html erase.css
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
	erase  *template.Template
	style  template.CSS
	policy string
}

// New makes the pages, which are built in.
func New() *Pages {
	css, err := files.ReadFile("erase.css")
	if err != nil {
		panic(err) // it is embedded
	}
	sum := sha256.Sum256(css) // of exactly what stands between the tags
	return &Pages{erase: template.Must(template.ParseFS(files, "erase.html")), style: template.CSS(css),
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"}
}

// Write answers with a page. The address holds a secret, so nothing may keep it or
// send it on.
func (p *Pages) Write(w http.ResponseWriter, status int, which Erase) error {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin") // with no-referrer, browsers would not say that our own form is ours
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	w.WriteHeader(status)
	return p.erase.Execute(w, struct {
		Style template.CSS
		Which Erase
	}{p.style, which})
}
