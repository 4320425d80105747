package api

import (
	"embed"
	"io/fs"
	"net/http"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/filesystem"
)

//go:embed console/index.html console/board.css console/board.js
var consoleFiles embed.FS

// console serves the board at the root. Its files are in the binary.
func (s *Server) console() {
	files, err := fs.Sub(consoleFiles, "console")
	if err != nil {
		panic("api: the console's files are not in the binary: " + err.Error())
	}
	s.app.Use("/", filesystem.New(filesystem.Config{Root: http.FS(files), Index: "index.html", Next: notConsole}))
}

// notConsole keeps the API's own paths out of the file server.
func notConsole(c *fiber.Ctx) bool {
	switch c.Path() {
	case "/", "/index.html", "/board.css", "/board.js":
		return false
	}
	return true
}
