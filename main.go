// Command exeunt is a SCIM 2.0 server and deprovisioning bridge: one request
// says that somebody leaves, and every door is shut and checked.
package main

import (
	"os"
	_ "time/tzdata" // names of time zones mean the same on every machine

	"github.com/exeunt/exeunt/server/cli"
)

func main() { os.Exit(cli.Main()) }
