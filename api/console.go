package api

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"path"

	"github.com/gofiber/fiber/v2"
)

//go:embed console/index.html console/*.css console/*.js console/*.svg
var consoleFiles embed.FS

// console serves the board at the root. Its files are in the binary.
func (s *Server) console() error {
	entries, err := consoleFiles.ReadDir("console")
	if err != nil {
		return fmt.Errorf("read the console's files: %w", err)
	}
	for _, e := range entries {
		content, err := consoleFiles.ReadFile("console/" + e.Name())
		if err != nil {
			return fmt.Errorf("read the console's files: %w", err)
		}
		handler := file(path.Ext(e.Name()), content)
		s.app.Get("/"+e.Name(), handler)
		if e.Name() == "index.html" {
			s.app.Get("/", handler)
		}
	}
	return nil
}

// file serves content that a browser keeps and asks after: a new version of the program is seen at the next load.
func file(extension string, content []byte) fiber.Handler {
	sum := sha256.Sum256(content)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	return func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderCacheControl, "no-cache")
		c.Set(fiber.HeaderETag, tag)
		if c.Get(fiber.HeaderIfNoneMatch) == tag {
			return c.SendStatus(fiber.StatusNotModified)
		}
		return c.Type(extension, "utf-8").Send(content)
	}
}
