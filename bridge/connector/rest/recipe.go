package rest

// Recipe is a vendor's HTTP API described as data: how an account is found,
// which effects can be brought about there, and how each is proven.
//
// Text fields may hold ${…}, a CEL expression whose value takes its place.
// What an expression may use depends on where it stands: params everywhere;
// subject (userName, email, emails, externalId, displayName, id) wherever a
// request is made; user (id, login) once the account is found; item inside a
// list; status, headers (names in lower case) and body of an answer; now.
//
// There is no snapshot of the account as it was before: an undo may use only
// subject, user and params.
type Recipe struct {
	// The version of this format.
	API string `yaml:"api" jsonschema:"required,enum=recipe/v1"`
	// Short name of the vendor, as its folder is called.
	App string `yaml:"app" jsonschema:"required"`
	// The vendor's name for people.
	Title string `yaml:"title" jsonschema:"required"`
	// Where the vendor documents the API.
	Docs string `yaml:"docs,omitempty"`
	// Against what the recipe has really been tried.
	Tested Tested `yaml:"tested" jsonschema:"required"`
	// What whoever registers the app has to say, by name.
	Params map[string]Param `yaml:"params,omitempty"`
	// How requests are authorised.
	Auth Auth `yaml:"auth" jsonschema:"required"`
	// What all requests have in common.
	HTTP HTTP `yaml:"http" jsonschema:"required"`
	// A request that succeeds if address and credentials are in order.
	Probe Probe `yaml:"probe" jsonschema:"required"`
	// How an account is found: the first that finds one decides.
	Lookup []Lookup `yaml:"lookup" jsonschema:"required"`
	// What can be done with an account, by name.
	Actions map[string]*Action `yaml:"actions" jsonschema:"required"`
	// Conversations that the recipe must reproduce, replayed without a network.
	Cases []Case `yaml:"cases,omitempty"`
}

// Tested says how far a recipe can be trusted.
type Tested struct {
	// fixture: only against its own cases; openapi: its requests against the
	// vendor's description; sandbox: a server that behaves like the vendor's;
	// live: the vendor itself.
	Against string `yaml:"against" jsonschema:"required,enum=fixture,enum=openapi,enum=sandbox,enum=live"`
	// When, as YYYY-MM-DD.
	Date string `yaml:"date,omitempty"`
}

// Param is a value that differs from one registration to the next.
type Param struct {
	Pos `yaml:"-"`
	// url values may stand where a host stands; string values may not.
	Type string `yaml:"type" jsonschema:"required,enum=string,enum=url"`
	// What it is, for people.
	About string `yaml:"about,omitempty"`
	// A regular expression (RE2) that the whole value must match.
	Pattern string `yaml:"pattern,omitempty"`
	// The value if none is given.
	Default string `yaml:"default,omitempty"`
	// It may be left out; expressions ask has(params.name).
	Optional bool `yaml:"optional,omitempty"`
	// A value for the cases, if there is no default.
	Example string `yaml:"example,omitempty"`
}

// Auth says how requests are authorised. Secrets are named here and given
// where the app is registered.
type Auth struct {
	Pos `yaml:"-"`
	// none; basic (username, password); bearer (token); header (name, prefix,
	// value); oauth2_client_credentials (token_url, client_id, client_secret).
	Kind string `yaml:"kind" jsonschema:"required,enum=none,enum=basic,enum=bearer,enum=header,enum=oauth2_client_credentials"`
	// basic: may use params.
	Username *Text `yaml:"username,omitempty"`
	// basic.
	Password *SecretName `yaml:"password,omitempty"`
	// bearer.
	Token *SecretName `yaml:"token,omitempty"`
	// header: the header's name.
	Name string `yaml:"name,omitempty"`
	// header: stands before the secret, with its space: "SSWS ".
	Prefix string `yaml:"prefix,omitempty"`
	// header.
	Value *SecretName `yaml:"value,omitempty"`
	// oauth2_client_credentials: literal, or begins with a url param.
	TokenURL *Text `yaml:"token_url,omitempty"`
	// oauth2_client_credentials.
	ClientID *SecretName `yaml:"client_id,omitempty"`
	// oauth2_client_credentials.
	ClientSecret *SecretName `yaml:"client_secret,omitempty"`
	// oauth2_client_credentials: separated by spaces.
	Scope string `yaml:"scope,omitempty"`
	// oauth2_client_credentials: more fields of the token request; may use params.
	Extra map[string]Text `yaml:"extra,omitempty"`
	// oauth2_client_credentials: where client id and secret go (RFC 6749,
	// section 2.3.1); header if left out.
	SendIn string `yaml:"send_in,omitempty" jsonschema:"enum=header,enum=body"`
}

// SecretName refers to a secret of the registration.
type SecretName struct {
	Pos `yaml:"-"`
	// Its name.
	Secret string `yaml:"secret" jsonschema:"required"`
}

// HTTP is what all requests have in common.
type HTTP struct {
	// What paths begin with: https:// and a literal host, or a url param.
	Base Text `yaml:"base" jsonschema:"required"`
	// Headers of every request; may use params.
	Headers map[string]Text `yaml:"headers,omitempty"`
	// How the vendor wants to be called; the registration may say otherwise.
	Limit Limit `yaml:"limit,omitempty"`
	// The vendor's rate-limit header beside Retry-After, which is always read.
	RateHeaders *RateHeaders `yaml:"rate_headers,omitempty"`
	// What answers mean that are not ok. The first that matches decides; if none
	// does, the status decides as usual.
	Errors []ErrorRule `yaml:"errors,omitempty"`
}

// Limit bounds how the app is called.
type Limit struct {
	// Calls begun in a second.
	Rate float64 `yaml:"rate,omitempty"`
	// Calls that may begin at once.
	Burst int `yaml:"burst,omitempty"`
	// Calls in flight at once.
	Concurrency int `yaml:"concurrency,omitempty"`
}

// RateHeaders names the vendor's own rate-limit headers.
type RateHeaders struct {
	// Header that says when calls are allowed again.
	Reset string `yaml:"reset" jsonschema:"required"`
	// delta: seconds from now; epoch: seconds since 1970; epoch_ms.
	Unit string `yaml:"unit" jsonschema:"required,enum=delta,enum=epoch,enum=epoch_ms"`
	// Header that is 0 when the limit is reached; then 403 is a limit too.
	Remaining string `yaml:"remaining,omitempty"`
}

// ErrorRule gives an answer its class.
type ErrorRule struct {
	Pos `yaml:"-"`
	// Predicate on status, headers and body. One that cannot be evaluated, for
	// want of a key say, does not match.
	When Expr `yaml:"when" jsonschema:"required"`
	// retry and rate_limited pass; reauth fetches a new token once; already_done
	// and not_found are success of an action (not_found: no account, in lookup);
	// the others need a person.
	Class Class `yaml:"class" jsonschema:"required,enum=retry,enum=rate_limited,enum=reauth,enum=not_found,enum=already_done,enum=blocked,enum=denied,enum=protected,enum=invalid,enum=fatal"`
	// blocked: the effect that has to come first.
	Needs string `yaml:"needs,omitempty" jsonschema:"enum=lock,enum=revoke,enum=remove,enum=transfer,enum=anonymise,enum=erase,enum=delete"`
}

// Request is one request. Exactly one method is given, with the path: it begins
// with "/" and follows the base, or with https:// and a literal host, or with a
// url param. A value in a path is escaped, and may not be empty, "." or "..",
// or hold a slash.
type Request struct {
	Pos    `yaml:"-"`
	Get    *Text `yaml:"get,omitempty"`
	Post   *Text `yaml:"post,omitempty"`
	Put    *Text `yaml:"put,omitempty"`
	Patch  *Text `yaml:"patch,omitempty"`
	Delete *Text `yaml:"delete,omitempty"`
	// Encoded as the query.
	Query map[string]Text `yaml:"query,omitempty"`
	// Added to http.headers.
	Headers map[string]Text `yaml:"headers,omitempty"`
	// The body as a structure, sent as JSON. A text that is one ${…} and nothing
	// else keeps the type of its value.
	JSON *Body `yaml:"json,omitempty"`
	// The body as form fields.
	Form map[string]Text `yaml:"form,omitempty"`
}

// Probe is a request that changes nothing.
type Probe struct {
	Request `yaml:",inline"`
	// Statuses that are success; 200 to 299 if left out.
	OK []int `yaml:"ok,omitempty"`
	// What must hold beside the status.
	Success *Expr `yaml:"success,omitempty"`
}

// Lookup is one way to find an account.
type Lookup struct {
	Request `yaml:",inline"`
	// The attribute of the person by which it looks; skipped for a person who has
	// none. match must use it.
	By string `yaml:"by" jsonschema:"required,enum=email,enum=userName,enum=externalId"`
	// Statuses that are success; 200 to 299 if left out.
	OK []int `yaml:"ok,omitempty"`
	// Statuses that say that there is no such account.
	Absent []int `yaml:"absent,omitempty"`
	// What must hold beside the status.
	Success *Expr `yaml:"success,omitempty"`
	// The list of candidates in the answer; if left out, the body is the only one.
	Items *Expr `yaml:"items,omitempty"`
	// Whether item is exactly this person. Search is fuzzy nearly everywhere:
	// compare again.
	Match Expr `yaml:"match" jsonschema:"required"`
	// What the account is called there.
	As As `yaml:"as" jsonschema:"required"`
	// How to get the rest of the list.
	Paginate *Paginate `yaml:"paginate,omitempty"`
}

// As reads the account out of item.
type As struct {
	// The app's own id; may not be empty.
	ID Expr `yaml:"id" jsonschema:"required"`
	// What the person signs in with.
	Login *Expr `yaml:"login,omitempty"`
}

// Paginate says how to get the next page. Exactly one strategy is given.
type Paginate struct {
	Pos `yaml:"-"`
	// Follow Link: <…>; rel="next" (RFC 8288), within the same origin.
	LinkHeader bool `yaml:"link_header,omitempty"`
	// The address of the next page in an answer, "" at the end; same origin.
	NextURL *Expr `yaml:"next_url,omitempty"`
	// The cursor of the next page in an answer, "" at the end. Needs param.
	Cursor *Expr `yaml:"cursor,omitempty"`
	// The query parameter that carries the cursor.
	Param string `yaml:"param,omitempty"`
	// The query parameter that counts pages. Ends at a page with fewer than size.
	Page string `yaml:"page,omitempty"`
	// The query parameter that counts items. Ends at a page with fewer than size.
	Offset string `yaml:"offset,omitempty"`
	// page and offset: where counting begins. 1 for page, 0 for offset.
	First *int `yaml:"first,omitempty"`
	// page and offset: how many items make a full page.
	Size int `yaml:"size,omitempty"`
	// More pages than this are an error, never cut off in silence; 20.
	MaxPages int `yaml:"max_pages,omitempty"`
}

// Action brings about one effect. Several with the same effect are carried out
// in the order that after says, else in that of the recipe.
type Action struct {
	Pos  `yaml:"-"`
	name string
	// What it brings about.
	Effect string `yaml:"effect" jsonschema:"required,enum=lock,enum=revoke,enum=remove,enum=transfer,enum=anonymise,enum=erase,enum=delete,enum=restore"`
	// yes needs undo; delete, erase and anonymise say no.
	Reversible string `yaml:"reversible,omitempty" jsonschema:"enum=yes,enum=no"`
	// The action with effect restore that undoes it.
	Undo string `yaml:"undo,omitempty"`
	// What it reaches: sessions, tokens, keys, roles …
	Covers []string `yaml:"covers,omitempty"`
	// Whether the registration offers it; may use only params.
	When *Expr `yaml:"when,omitempty"`
	// Actions that come before it.
	After []string `yaml:"after,omitempty"`
	// Look first: if verify already holds, nothing is sent. For calls that are
	// refused, or do harm, when repeated.
	CheckFirst bool `yaml:"check_first,omitempty"`
	// What is sent. All of it is sent again when an attempt failed: each step must
	// be safe to repeat.
	Steps []Step `yaml:"steps" jsonschema:"required"`
	// How it is proven.
	Verify *Verify `yaml:"verify" jsonschema:"required"`
}

// Step is one request of an action, or one for each item of a list.
type Step struct {
	Request `yaml:",inline"`
	// The list; item is known in the request.
	Foreach *Foreach `yaml:"foreach,omitempty"`
	// Statuses that are success; 200 to 299 if left out.
	OK []int `yaml:"ok,omitempty"`
	// Statuses that say that it is so already, or that the account is gone.
	Already []int `yaml:"already,omitempty"`
	// What must hold beside the status.
	Success *Expr `yaml:"success,omitempty"`
	// Header that carries a key which is the same in every attempt.
	IdempotencyKey string `yaml:"idempotency_key,omitempty"`
	// Waits for what the step has begun.
	Poll *Poll `yaml:"poll,omitempty"`
}

// Foreach reads a list.
type Foreach struct {
	Request `yaml:",inline"`
	// Statuses that say that the list is empty because the account is gone.
	Already []int `yaml:"already,omitempty"`
	// The list in the answer.
	Items Expr `yaml:"items" jsonschema:"required"`
	// Which items are meant; all if left out.
	Where *Expr `yaml:"where,omitempty"`
	// More items than this are an error, and nothing is sent for them.
	Max int `yaml:"max" jsonschema:"required"`
	// How to get the rest of the list.
	Paginate *Paginate `yaml:"paginate,omitempty"`
}

// Poll asks until something has ended. Its request may use body and headers of
// the step's answer.
type Poll struct {
	Request `yaml:",inline"`
	// Whether it has ended well.
	Until Expr `yaml:"until" jsonschema:"required"`
	// Whether it has ended badly.
	Failed *Expr `yaml:"failed,omitempty"`
	// Time between two questions; 2s.
	Every Span `yaml:"every,omitempty"`
	// How long to ask; 20s. What has not ended by then is tried again later, from
	// the first step.
	Within Span `yaml:"within,omitempty"`
}

// Verify is how an action is proven: the word unverifiable, one proof, or a
// list of proofs that must all hold.
type Verify struct {
	Pos
	Unverifiable bool
	Proofs       []Proof
}

// Proof is a request whose answer shows whether an action has taken hold.
// Answers that ask to wait, refuse our credentials or say that the app is
// broken prove nothing, whatever expect says.
type Proof struct {
	Request `yaml:",inline"`
	// What the answer must show.
	Expect Expr `yaml:"expect" jsonschema:"required"`
	// How long after the action the app may still show the old state; 0.
	Within Span `yaml:"within,omitempty"`
	// Time between two looks until then; a tenth of within, at least 1s.
	Every Span `yaml:"every,omitempty"`
}

// Case is one conversation that the recipe must reproduce. Exactly one of
// probe, find, do and check is given.
type Case struct {
	Pos `yaml:"-"`
	// What it shows.
	Name string `yaml:"name,omitempty"`
	// Probe the app.
	Probe bool `yaml:"probe,omitempty"`
	// Find this person.
	Find *Subject `yaml:"find,omitempty"`
	// Bring about this effect.
	Do string `yaml:"do,omitempty" jsonschema:"enum=lock,enum=revoke,enum=remove,enum=transfer,enum=anonymise,enum=erase,enum=delete,enum=restore"`
	// Check this effect.
	Check string `yaml:"check,omitempty" jsonschema:"enum=lock,enum=revoke,enum=remove,enum=transfer,enum=anonymise,enum=erase,enum=delete,enum=restore"`
	// do and check: the person.
	Subject *Subject `yaml:"subject,omitempty"`
	// do and check: the account. What find gives.
	User *User `yaml:"user,omitempty"`
	// check: how long after the action it takes place; 0.
	After Span `yaml:"after,omitempty"`
	// Params beside defaults and examples.
	Params map[string]string `yaml:"params,omitempty"`
	// Every request, in order, with the answer it gets.
	HTTP []Exchange `yaml:"http" jsonschema:"required"`
	// The outcome.
	Gives string `yaml:"gives" jsonschema:"required,enum=ok,enum=done,enum=proven,enum=account,enum=no_account,enum=still_open,enum=not_yet,enum=cannot_check,enum=retry,enum=permanent"`
}

// Exchange is one request of a case and its answer. Query and body must be
// exactly these; headers must be among those sent.
type Exchange struct {
	Pos     `yaml:"-"`
	Get     string            `yaml:"get,omitempty"`
	Post    string            `yaml:"post,omitempty"`
	Put     string            `yaml:"put,omitempty"`
	Patch   string            `yaml:"patch,omitempty"`
	Delete  string            `yaml:"delete,omitempty"`
	Query   map[string]string `yaml:"query,omitempty"`
	Headers map[string]string `yaml:"headers,omitempty"`
	JSON    *Plain            `yaml:"json,omitempty"`
	Form    map[string]string `yaml:"form,omitempty"`
	// What the app answers.
	Answer Answer `yaml:"answer" jsonschema:"required"`
}

// Answer is what an app says in a case.
type Answer struct {
	Status  int               `yaml:"status" jsonschema:"required"`
	Headers map[string]string `yaml:"headers,omitempty"`
	JSON    *Plain            `yaml:"json,omitempty"`
	Text    string            `yaml:"text,omitempty"`
}

// Subject is the person as expressions see them.
type Subject struct {
	ID          string   `yaml:"id,omitempty" cel:"id"`
	UserName    string   `yaml:"userName,omitempty" cel:"userName"`
	ExternalID  string   `yaml:"externalId,omitempty" cel:"externalId"`
	DisplayName string   `yaml:"displayName,omitempty" cel:"displayName"`
	Email       string   `yaml:"email,omitempty" cel:"email"`
	Emails      []string `yaml:"emails,omitempty" cel:"emails"`
}

// User is the account as expressions see it.
type User struct {
	ID    string `yaml:"id" jsonschema:"required" cel:"id"`
	Login string `yaml:"login,omitempty" cel:"login"`
}
