// An agent in Go: usage: storm-go PROGRAM COUNT cell|here. The runtime clones with CLONE_VFORK, from any
// of its threads; 32 at a time.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

func main() {
	program, place := os.Args[1], os.Args[3]
	total, _ := strconv.Atoi(os.Args[2])
	own, _ := os.Readlink("/proc/self/ns/mnt")
	var wrong, escaped int64
	var next int64 = -1
	var group sync.WaitGroup
	for worker := 0; worker < 32; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for number := atomic.AddInt64(&next, 1); number < int64(total); number = atomic.AddInt64(&next, 1) {
				name, env := fmt.Sprintf("job-%d", number), fmt.Sprintf("env-%d", number)
				command := exec.Command(program, name, "")
				command.Env = append(os.Environ(), "STORM="+env)
				out, err := command.Output()
				words := strings.Fields(string(out))
				if err != nil || len(words) != 3 || words[0] != name || words[1] != env {
					atomic.AddInt64(&wrong, 1)
					fmt.Fprintf(os.Stderr, "job %d: %v %s\n", number, err, out)
				} else if (words[2] == own) == (place == "cell") {
					atomic.AddInt64(&escaped, 1)
				}
			}
		}()
	}
	group.Wait()
	fmt.Printf("%d commands: %d wrong, %d in the wrong place\n", total, wrong, escaped)
	if wrong+escaped > 0 {
		os.Exit(1)
	}
}
