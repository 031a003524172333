package main

import (
	"database/sql"
	"encoding/json"
	"log"
	"net/http"
	"os"

	_ "github.com/lib/pq"
)

func main() {
	database, err := sql.Open("postgres", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	if len(os.Args) == 2 && os.Args[1] == "migrate" {
		schema, err := os.ReadFile("schema.sql")
		if err == nil {
			_, err = database.Exec(string(schema))
		}
		if err != nil {
			log.Fatal(err)
		}
		return
	}
	http.HandleFunc("/", func(response http.ResponseWriter, request *http.Request) {
		rows, err := database.Query("SELECT item FROM orders ORDER BY id")
		if err != nil {
			http.Error(response, err.Error(), http.StatusInternalServerError)
			return
		}
		defer rows.Close()
		orders := []string{}
		for rows.Next() {
			var item string
			if err := rows.Scan(&item); err != nil {
				http.Error(response, err.Error(), http.StatusInternalServerError)
				return
			}
			orders = append(orders, item)
		}
		json.NewEncoder(response).Encode(map[string]any{"commit": os.Getenv("EPH_COMMIT"), "orders": orders})
	})
	log.Fatal(http.ListenAndServe(":"+os.Getenv("PORT"), nil))
}
