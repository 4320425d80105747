package voice

import "math/big"

// decimal writes a card's hexadecimal number as Wiegand readers do.
func decimal(card string) string {
	var n big.Int
	n.SetString(card, 16)
	return n.String()
}
