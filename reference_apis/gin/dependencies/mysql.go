package dependencies

import (
	"context"
	"database/sql"
	"io"
	"log"
	"net"
	"strconv"

	"github.com/go-sql-driver/mysql"

	"reference-api/configuration"
)

// MySQLQuery is the example.
const MySQLQuery = "select cast(current_timestamp(6) as char) as now, database() as `database`"

// MySQL is a pool of connections to MySQL, or MariaDB, each made when it is first needed.
type MySQL struct {
	pool *sql.DB
}

func newMySQL(settings configuration.Database) (*MySQL, error) {
	config := mysql.NewConfig()
	config.Net = "tcp"
	config.Addr = net.JoinHostPort(settings.Host, strconv.Itoa(settings.Port))
	config.User = settings.User
	config.Passwd = settings.Password.Reveal()
	config.DBName = settings.Database
	config.Timeout = Deadline
	// Broken connections are told in the answer; the driver would write each to the log as well.
	config.Logger = log.New(io.Discard, "", 0)
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(10)
	pool.SetMaxIdleConns(10)
	return &MySQL{pool}, nil
}

// Check asks the version.
func (mysql *MySQL) Check(ctx context.Context) (version string, err error) {
	err = mysql.pool.QueryRowContext(ctx, "select version()").Scan(&version)
	return version, err
}

// AskExample gives the row of MySQLQuery.
func (mysql *MySQL) AskExample(ctx context.Context) (row Row, err error) {
	err = mysql.pool.QueryRowContext(ctx, MySQLQuery).Scan(&row.Now, &row.Database)
	return row, err
}

// Close ends every connection.
func (mysql *MySQL) Close() { _ = mysql.pool.Close() }
