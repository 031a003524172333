// tickets web | api | migrate
package main

import (
	"database/sql"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"path/filepath"

	_ "github.com/lib/pq"
)

func main() {
	database, err := sql.Open("postgres", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	switch os.Args[1] {
	case "migrate":
		migrate(database)
		return
	case "web":
		http.HandleFunc("/", func(response http.ResponseWriter, _ *http.Request) {
			answer(response, map[string]any{"commit": os.Getenv("EPH_COMMIT"), "api": os.Getenv("API_URL")})
		})
	case "api":
		http.HandleFunc("/tickets", func(response http.ResponseWriter, _ *http.Request) {
			titles, err := titles(database)
			if err != nil {
				http.Error(response, err.Error(), http.StatusInternalServerError)
				return
			}
			response.Header().Set("Access-Control-Allow-Origin", os.Getenv("CORS_ORIGIN"))
			answer(response, titles)
		})
	}
	log.Fatal(http.ListenAndServe(":8080", nil))
}

func answer(response http.ResponseWriter, value any) {
	json.NewEncoder(response).Encode(value)
}

func titles(database *sql.DB) ([]string, error) {
	rows, err := database.Query("SELECT title FROM tickets ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	titles := []string{}
	for rows.Next() {
		var title string
		if err := rows.Scan(&title); err != nil {
			return nil, err
		}
		titles = append(titles, title)
	}
	return titles, rows.Err()
}

// migrate applies the files of the folder migrations that it hasn't applied yet, in the order of their names.
func migrate(database *sql.DB) {
	run := func(query string, values ...any) {
		if _, err := database.Exec(query, values...); err != nil {
			log.Fatal(err)
		}
	}
	run("CREATE TABLE IF NOT EXISTS migrations (file text PRIMARY KEY)")
	files, _ := filepath.Glob("migrations/*.sql")
	for _, file := range files {
		var applied bool
		query := "SELECT EXISTS (SELECT FROM migrations WHERE file = $1)"
		if err := database.QueryRow(query, file).Scan(&applied); err != nil {
			log.Fatal(err)
		}
		if applied {
			continue
		}
		log.Print("applying ", file)
		content, err := os.ReadFile(file)
		if err != nil {
			log.Fatal(err)
		}
		run(string(content))
		run("INSERT INTO migrations VALUES ($1)", file)
	}
}
