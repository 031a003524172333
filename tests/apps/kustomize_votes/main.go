// votes web | results | worker
package main

import (
	"database/sql"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"time"

	_ "github.com/lib/pq"
)

func main() {
	database, err := sql.Open("postgres", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	switch os.Args[1] {
	case "web":
		http.HandleFunc("GET /", func(response http.ResponseWriter, _ *http.Request) {
			json.NewEncoder(response).Encode(map[string]any{
				"commit": os.Getenv("EPH_COMMIT"), "question": os.Getenv("QUESTION"), "results": os.Getenv("RESULTS_URL"),
			})
		})
		http.HandleFunc("POST /{choice}", func(response http.ResponseWriter, request *http.Request) {
			_, err := database.Exec("INSERT INTO votes (choice) VALUES ($1)", request.PathValue("choice"))
			if err != nil {
				http.Error(response, err.Error(), http.StatusInternalServerError)
			}
		})
	case "results":
		http.HandleFunc("/", func(response http.ResponseWriter, _ *http.Request) {
			var counted int
			if err := database.QueryRow("SELECT count(*) FROM votes WHERE counted").Scan(&counted); err != nil {
				http.Error(response, err.Error(), http.StatusInternalServerError)
				return
			}
			json.NewEncoder(response).Encode(map[string]any{"commit": os.Getenv("EPH_COMMIT"), "counted": counted})
		})
	case "worker":
		for {
			if _, err := database.Exec("UPDATE votes SET counted = true WHERE NOT counted"); err != nil {
				log.Print(err)
			}
			time.Sleep(time.Second)
		}
	}
	log.Fatal(http.ListenAndServe(":8080", nil))
}
