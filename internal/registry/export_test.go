package registry

import "time"

// Look looks at the files once, as Run does again and again.
func (l *Live) Look(now time.Time) { l.look(now) }
