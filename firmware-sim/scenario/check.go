package scenario

func (f *file) checkTimetable()      {}
func (f *file) readFaults(o *object) { o.get("faults") }
func (f *file) readFrauds(o *object) { o.get("frauds") }
