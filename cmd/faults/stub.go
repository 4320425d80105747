package main
import "context"
func failWrites(context.Context, *harness) error { return nil }
func failSyncs(context.Context, *harness) error { return nil }
func truncate(context.Context, *harness) error { return nil }
func flipBits(context.Context, *harness) error { return nil }
func loseAcks(context.Context, *harness) error { return nil }
func shuffleFrames(context.Context, *harness) error { return nil }
func jumpClocks(context.Context, *harness) error { return nil }
