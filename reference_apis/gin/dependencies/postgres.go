package dependencies

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"reference-api/configuration"
)

// Row is what a small query on a database answers.
type Row struct {
	Now      string `json:"now"`
	Database string `json:"database"`
}

// PostgresQuery is the example.
const PostgresQuery = "select current_timestamp::text as now, current_database()::text as database"

// Postgres is a pool of connections. A single statement is its own transaction, in one round trip.
type Postgres struct {
	pool *pgxpool.Pool
}

func newPostgres(settings configuration.Database) (*Postgres, error) {
	address := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(settings.User, settings.Password.Reveal()),
		Host:     net.JoinHostPort(settings.Host, strconv.Itoa(settings.Port)),
		Path:     settings.Database,
		RawQuery: "sslmode=prefer",
	}
	config, err := pgxpool.ParseConfig(address.String())
	if err != nil {
		return nil, err
	}
	config.MaxConns = 10
	config.ConnConfig.ConnectTimeout = Deadline
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	return &Postgres{pool}, err
}

// Check asks the version.
func (postgres *Postgres) Check(ctx context.Context) (version string, err error) {
	err = postgres.row(ctx, "select current_setting('server_version')", &version)
	return version, err
}

// AskExample gives the row of PostgresQuery.
func (postgres *Postgres) AskExample(ctx context.Context) (row Row, err error) {
	err = postgres.row(ctx, PostgresQuery, &row.Now, &row.Database)
	return row, err
}

// Close ends every connection.
func (postgres *Postgres) Close() { postgres.pool.Close() }

func (postgres *Postgres) row(ctx context.Context, query string, into ...any) error {
	err := postgres.pool.QueryRow(ctx, query).Scan(into...)
	if _, said := errors.AsType[*pgconn.PgError](err); err != nil && !said {
		// Not the server's own words: after its restart every pooled connection is dead. Replace them all now.
		postgres.pool.Reset()
	}
	return err
}
