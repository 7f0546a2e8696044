package workflow

import "strings"

// detach gives strings memory of their own, so that a result does not keep the texts of the files that it was found in.
// The same string is kept once.
type detach map[string]string

func (d detach) string(s *string) {
	if *s == "" {
		return
	}
	own, ok := d[*s]
	if !ok {
		own = strings.Clone(*s)
		d[own] = own
	}
	*s = own
}

func (d detach) result(r *Result) {
	for i := range r.Logins {
		l := &r.Logins[i]
		for _, s := range []*string{&l.Job, &l.Step, &l.Reason, &l.Identity.ClientID, &l.Identity.TenantID, &l.Identity.SubscriptionID, &l.Identity.Cloud} {
			d.string(s)
		}
		for j := range l.Jobs {
			d.string(&l.Jobs[j])
		}
		for j := range l.Secrets {
			d.string(&l.Secrets[j].Name)
			d.string(&l.Secrets[j].Expression)
		}
	}
	for i := range r.Mentions {
		d.string(&r.Mentions[i].Secret)
	}
}
