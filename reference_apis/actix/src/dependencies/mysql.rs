//! How does the API use MySQL, or MariaDB?

use futures_util::{FutureExt, future::BoxFuture};
use mysql_async::{OptsBuilder, Pool, PoolConstraints, PoolOpts, prelude::Queryable};

use super::{Dependency, Failure, postgres::Row};
use crate::configuration::Database;

pub const QUERY: &str = "select cast(current_timestamp(6) as char) as now, database() as `database`";

/// A pool of connections, each made when it is first needed.
pub struct MySQL {
    pool: Pool,
}

impl MySQL {
    pub fn new(settings: Database) -> Self {
        let kept = PoolOpts::default()
            .with_constraints(PoolConstraints::new(0, 10).expect("0 is not above 10"))
            // What our queries leave behind in a session is nothing; a reset would be one more round trip.
            .with_reset_connection(false);
        let options = OptsBuilder::default()
            .ip_or_hostname(settings.host)
            .tcp_port(settings.port)
            .user(Some(settings.user))
            .pass(Some(settings.password.reveal()))
            .db_name(Some(settings.database))
            .prefer_socket(false)
            .pool_opts(kept);
        MySQL { pool: Pool::new(options) }
    }

    /// The row of `QUERY`.
    pub async fn ask_example(&self) -> Result<Row, Failure> {
        let mut connection = self.pool.get_conn().await?;
        let row: Option<(String, String)> = connection.query_first(QUERY).await?;
        let (now, database) = row.ok_or("a select without a from has one row")?;
        Ok(Row { now, database })
    }
}

impl Dependency for MySQL {
    fn check(&self) -> BoxFuture<'_, Result<String, Failure>> {
        async {
            let mut connection = self.pool.get_conn().await?;
            let version: Option<String> = connection.query_first("select version()").await?;
            Ok(version.ok_or("a select without a from has one row")?)
        }
        .boxed()
    }
}
