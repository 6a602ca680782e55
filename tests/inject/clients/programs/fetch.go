// Prints the bodies of addresses.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	for _, address := range os.Args[1:] {
		r, err := http.Get(address)
		if err != nil {
			fmt.Println(err)
			continue
		}
		body, _ := io.ReadAll(r.Body)
		r.Body.Close()
		fmt.Println(r.Proto, r.StatusCode, string(body))
	}
}
