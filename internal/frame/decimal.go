package frame

import "math"

// Devices say decimals: 142.7 is 1427 and one place. A column keeps whole numbers and one count of places for all of them,
// and every number that would not come back bit for bit is kept apart as its eight bytes [F-5.7].

// maxPlaces is the most decimal places of a column. A double holds at most 17 digits, and 10^22 is the last power of ten
// that a double holds exactly, so the division below is always of two exact numbers.
const maxPlaces = 15

// maxMantissa is 2^53: whole numbers below it are exact in a double.
const maxMantissa = 1 << 53

var powersOfTen = [maxPlaces + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// decimal returns the whole number m of which v is m / 10^places, correctly rounded, and whether there is one.
func decimal(v float64, places int) (m int64, ok bool) {
	scaled := math.RoundToEven(v * powersOfTen[places])
	if !(math.Abs(scaled) < maxMantissa) {
		return 0, false
	}
	m = int64(scaled) // loses the sign of -0, which therefore is no decimal
	return m, math.Float64bits(float64(m)/powersOfTen[places]) == math.Float64bits(v)
}

// decimalSingle is decimal for numbers that a device keeps as 32-bit floats: v is m / 10^places rounded to 32 bits.
func decimalSingle(v float64, places int) (m int64, ok bool) {
	scaled := math.RoundToEven(v * powersOfTen[places])
	if !(math.Abs(scaled) < maxMantissa) {
		return 0, false
	}
	m = int64(scaled)
	return m, math.Float64bits(single(float64(m)/powersOfTen[places])) == math.Float64bits(v)
}

// single rounds to the nearest 32-bit float.
func single(v float64) float64 { return float64(float32(v)) }

// places returns the fewest decimal places, from least on, with which fit takes v, and whether there are any.
func places(v float64, least int, fit func(float64, int) (int64, bool)) (int, bool) {
	for p := least; p <= maxPlaces; p++ {
		if _, ok := fit(v, p); ok {
			return p, true
		}
	}
	return least, false
}

func zigzag(v int64) uint64 { return uint64(v<<1) ^ uint64(v>>63) }

func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }
