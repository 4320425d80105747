package api

import "github.com/gofiber/fiber/v2"

// Routes are the routes that the server has beside its middleware.
func (s *Server) Routes() []fiber.Route { return s.app.GetRoutes(true) }

// Handle adds a route, as an operation of tomorrow would.
func (s *Server) Handle(path string, h fiber.Handler) { s.app.Get(path, h) }
