// Package spool is the durable log of a base: what devices said is here before they are acknowledged, and stays until
// the city has it and the audit period is over. The bridge appends and reads; jishi doctor and jishi frames look.
//
// The format, what is assumed of the disk, and what happens after a crash are in docs/log.md; ids such as [L-5.2] in
// this package cite its clauses.
//
// The package refuses to lose anything silently: what is damaged, cut off or dropped has its numbers on the list of
// losses. It refuses to interpret: a record's body and raw message are bytes. It refuses to guess after a failed write
// or sync: the log takes nothing more until it is opened again.
package spool
