package dialect

// Instant is a time that a device wrote as text.
type Instant struct {
	// Ms is milliseconds since the Unix epoch: of the instant when Zoned, else of the wall clock read as if it were UTC.
	Ms int64
	// Zoned is true when the text said Z or an offset.
	Zoned bool
}

// ParseInstant reads YYYY-MM-DDThh:mm:ss with 0 to 9 fraction digits and an optional Z, ±hh:mm or ±hhmm. Fractions of a
// millisecond are cut off, never rounded up: an event must not move into the next interval. The T may be a space or
// in lower case. Leap seconds are refused.
func ParseInstant(s string) (Instant, bool) {
	const shape = "0000-00-00T00:00:00"
	if len(s) < len(shape) || s[4] != '-' || s[7] != '-' || s[13] != ':' || s[16] != ':' {
		return Instant{}, false
	}
	if s[10] != 'T' && s[10] != 't' && s[10] != ' ' {
		return Instant{}, false
	}
	year, ok1 := digits(s[0:4])
	month, ok2 := digits(s[5:7])
	day, ok3 := digits(s[8:10])
	hour, ok4 := digits(s[11:13])
	minute, ok5 := digits(s[14:16])
	second, ok6 := digits(s[17:19])
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 || hour > 23 || minute > 59 || second > 59 {
		return Instant{}, false
	}
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return Instant{}, false
	}
	ms, rest, ok := fraction(s[len(shape):])
	if !ok {
		return Instant{}, false
	}
	offsetMin, zoned, ok := offset(rest)
	if !ok {
		return Instant{}, false
	}
	ms += (epochDay(year, month, day)*86_400 + hour*3600 + (minute-offsetMin)*60 + second) * 1000
	return Instant{Ms: ms, Zoned: zoned}, true
}

// fraction reads an optional .digits and returns its whole milliseconds and what follows.
func fraction(s string) (ms int64, rest string, ok bool) {
	if s == "" || s[0] != '.' {
		return 0, s, true
	}
	n := 1
	for scale := int64(100); n < len(s) && s[n] >= '0' && s[n] <= '9'; n++ {
		ms += int64(s[n]-'0') * scale
		scale /= 10
	}
	return ms, s[n:], n > 1 && n <= 10
}

// offset reads a zone and returns how many minutes it is ahead of UTC.
func offset(s string) (minutes int64, zoned, ok bool) {
	switch {
	case s == "":
		return 0, false, true
	case s == "Z" || s == "z":
		return 0, true, true
	case s[0] != '+' && s[0] != '-':
		return 0, false, false
	}
	var hours, mins int64
	var ok1, ok2 bool
	switch {
	case len(s) == 6 && s[3] == ':':
		hours, ok1 = digits(s[1:3])
		mins, ok2 = digits(s[4:6])
	case len(s) == 5:
		hours, ok1 = digits(s[1:3])
		mins, ok2 = digits(s[3:5])
	}
	if !ok1 || !ok2 || hours > 23 || mins > 59 {
		return 0, false, false
	}
	minutes = hours*60 + mins
	if s[0] == '-' {
		minutes = -minutes
	}
	return minutes, true, true
}

func digits(s string) (int64, bool) {
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}

func daysIn(year, month int64) int64 {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// epochDay counts the days from 1970-01-01 in the proleptic Gregorian calendar. Years start in March here, so that the
// leap day is a year's last.
func epochDay(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	return 365*year + floorDiv(year, 4) - floorDiv(year, 100) + floorDiv(year, 400) + (153*(month-3)+2)/5 + day - 719_469
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Said returns the device time for Clock.Date, where 0 means that the device said none: a device that says the Unix
// epoch itself did say a time, an implausible one.
func Said(ms int64) int64 {
	if ms == 0 {
		return 1
	}
	return ms
}
