package main

// Main is the program, for tests that are it.
var Main = main
