package mqtt

// Review asks every permit that is in use whether it was withdrawn. It hangs up on the clients whose permit was, forgets
// the sessions of those that are away, and returns how many connections it ended. It may be called concurrently.
func (b *Broker) Review() int {
	ended := 0
	for _, c := range b.admitted() {
		if why := c.permit.withdrawn(); why != "" {
			b.refuseOf(c, DeniedWithdrawn, why)
			c.end(errWithdrawn, linger)
			ended++
		}
	}
	b.forgetWithdrawn()
	return ended
}

func (p *Permit) withdrawn() string {
	if p == nil || p.Withdrawn == nil {
		return ""
	}
	return p.Withdrawn()
}

func (b *Broker) admitted() []*conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]*conn, 0, len(b.sessions))
	for _, c := range b.sessions {
		if c.cause() == nil {
			out = append(out, c)
		}
	}
	return out
}

// forgetWithdrawn drops what is kept for clients that are away and may not come back as they were.
func (b *Broker) forgetWithdrawn() {
	for id, cl := range b.server.Clients.GetAll() {
		c, ok := cl.Net.Conn.(*conn)
		if !ok || c.permit.withdrawn() == "" {
			continue
		}
		b.mu.Lock() // nobody can come back under this id meanwhile, see claim
		if b.sessions[id] == nil {
			b.server.UnsubscribeClient(cl)
			cl.ClearInflights()
			b.server.Clients.Delete(id)
			b.interest.forget(id)
		}
		b.mu.Unlock()
	}
}
