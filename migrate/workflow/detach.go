package workflow

import (
	"strings"
	"sync"
)

// Strings are the strings of results, each kept once: those of a folder with very many files are few.
type Strings struct {
	mu   sync.Mutex
	seen map[string]string
}

// NewStrings makes an empty set of strings.
func NewStrings() *Strings { return &Strings{seen: make(map[string]string)} }

// own gives a string memory of its own.
func (o *Strings) own(s *string) {
	if *s == "" {
		return
	}
	own, ok := o.seen[*s]
	if !ok {
		own = strings.Clone(*s)
		o.seen[own] = own
	}
	*s = own
}

// detach gives the strings of a result memory of their own, so that it does not keep the texts of the files that it was found in.
func (o *Strings) detach(r *Result) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range r.Logins {
		l := &r.Logins[i]
		for _, s := range []*string{&l.Job, &l.Step, &l.Reason, &l.Identity.ClientID, &l.Identity.TenantID, &l.Identity.SubscriptionID, &l.Identity.Cloud} {
			o.own(s)
		}
		for j := range l.Jobs {
			o.own(&l.Jobs[j])
		}
		for j := range l.Secrets {
			o.own(&l.Secrets[j].Name)
			o.own(&l.Secrets[j].Expression)
		}
	}
	for i := range r.Mentions {
		o.own(&r.Mentions[i].Secret)
	}
}
