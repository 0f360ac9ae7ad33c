package bridge

import "context"

// Caller is who a request comes from. Exactly one of Source and Operator is
// set; a request without a caller is refused.
type Caller struct {
	Source   string // the source that spoke to us
	Operator string // or the person or token that operates exeunt
	Token    string // id of the credential used, never the credential
	Request  string // request id, to be found again in logs and events
}

type callerKey struct{}

// WithCaller returns a context that carries c.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom returns the caller in ctx, or a KindDenied error if there is none.
func CallerFrom(ctx context.Context) (Caller, error) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	if !ok || (c.Source == "") == (c.Operator == "") {
		return Caller{}, Errorf(KindDenied, "no caller")
	}
	return c, nil
}
