//! How does the API use PostgreSQL?

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use futures_util::{FutureExt, future::BoxFuture};
use serde::Serialize;
use tokio_postgres::{Config, NoTls};

use super::{DEADLINE, Dependency, Failure};
use crate::configuration::Database;

pub const QUERY: &str = "select current_timestamp::text as now, current_database()::text as database";

/// What a small query on a database answers.
#[derive(Serialize)]
pub struct Row {
    pub now: String,
    pub database: String,
}

/// A pool of connections. A single statement is its own transaction; it is prepared once a connection.
pub struct Postgres {
    pool: Pool,
}

impl Postgres {
    pub fn new(settings: Database) -> Result<Self, Failure> {
        let mut config = Config::new();
        config
            .host(&settings.host)
            .port(settings.port)
            .user(&settings.user)
            .password(settings.password.reveal())
            .dbname(&settings.database)
            .connect_timeout(DEADLINE);
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let pool = Pool::builder(Manager::from_config(config, NoTls, recycling))
            .max_size(10)
            .runtime(Runtime::Tokio1)
            .build()?;
        Ok(Postgres { pool })
    }

    /// The row of `QUERY`.
    pub async fn ask_example(&self) -> Result<Row, Failure> {
        let row = self.row(QUERY).await?;
        Ok(Row { now: row.try_get("now")?, database: row.try_get("database")? })
    }

    async fn row(&self, query: &str) -> Result<tokio_postgres::Row, Failure> {
        let lease = Lease(Some(self.pool.get().await?));
        let client = lease.0.as_ref().expect("a lease holds its client until it is dropped");
        let statement = client.prepare_cached(query).await?;
        let row = client.query_one(&statement, &[]).await?;
        lease.give_back();
        Ok(row)
    }
}

impl Dependency for Postgres {
    fn check(&self) -> BoxFuture<'_, Result<String, Failure>> {
        async {
            let row = self.row("select current_setting('server_version') as version").await?;
            Ok(row.try_get("version")?)
        }
        .boxed()
    }
}

/// A connection that goes back into the pool only when its answer was received: one whose server fell silent would
/// cost the next request its deadline as well.
struct Lease(Option<Object>);

impl Lease {
    fn give_back(mut self) {
        self.0.take();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Object::take(client));
        }
    }
}
