//! How does the API use Redis, one node or a cluster?

use std::time::Duration;

use futures_util::{FutureExt, future::BoxFuture};
use redis::{
    Client, Cmd, IntoConnectionInfo, RedisError, RedisResult, Value,
    aio::{ConnectionManager, ConnectionManagerConfig},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo},
    cmd, from_redis_value,
};
use tokio::sync::Mutex;

use super::{DEADLINE, Dependency, Failure};
use crate::configuration::Redis as Settings;

const CONNECT: Duration = Duration::from_secs(1);

/// A client with one connection a node, on which requests do not wait for each other.
pub enum Redis {
    OneNode(ConnectionManager),
    Cluster(Cluster),
}

impl Redis {
    pub fn new(settings: Settings) -> Result<Self, Failure> {
        let password = settings.password.as_ref().map(|password| password.reveal().to_owned());
        if settings.cluster {
            let nodes = settings.nodes.iter().map(|node| format!("redis://{node}"));
            let mut builder =
                ClusterClient::builder(nodes).connection_timeout(CONNECT).response_timeout(DEADLINE).retries(1);
            if let Some(password) = password {
                builder = builder.password(password);
            }
            return Ok(Redis::Cluster(Cluster { client: builder.build()?, connection: Mutex::new(None) }));
        }
        let mut info = format!("redis://{}", settings.nodes[0]).into_connection_info()?;
        if let Some(password) = password {
            let login = info.redis_settings().clone().set_password(password);
            info = info.set_redis_settings(login);
        }
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(DEADLINE));
        Ok(Redis::OneNode(ConnectionManager::new_lazy_with_config(Client::open(info)?, config)?))
    }

    /// The value at a key.
    pub async fn get(&self, key: &str) -> Result<Option<String>, Failure> {
        Ok(from_redis_value(self.send(cmd("GET").arg(key)).await?)?)
    }

    /// Keep a value, for that many seconds or for ever.
    pub async fn set(&self, key: &str, value: &str, ttl: Option<u64>) -> Result<(), Failure> {
        let mut command = cmd("SET");
        command.arg(key).arg(value);
        if let Some(seconds) = ttl {
            command.arg("EX").arg(seconds);
        }
        self.send(&command).await?;
        Ok(())
    }

    /// Remove a key; whether it had been there.
    pub async fn delete(&self, key: &str) -> Result<bool, Failure> {
        let removed: u64 = from_redis_value(self.send(cmd("DEL").arg(key)).await?)?;
        Ok(removed == 1)
    }

    async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Redis::OneNode(manager) => command.query_async(&mut manager.clone()).await,
            Redis::Cluster(cluster) => {
                let mut connection = cluster.connected().await?;
                let found = command.query_async(&mut connection).await;
                cluster.look_at(&found).await;
                found
            }
        }
    }
}

impl Dependency for Redis {
    fn check(&self) -> BoxFuture<'_, Result<String, Failure>> {
        async {
            let mut info = cmd("INFO");
            info.arg("server");
            let found = match self {
                Redis::OneNode(_) => self.send(&info).await?,
                Redis::Cluster(cluster) => cluster.check(info).await?,
            };
            let server: String = from_redis_value(found)?;
            let version = server.lines().find_map(|line| line.strip_prefix("redis_version:"));
            Ok(version.ok_or("INFO server has no redis_version")?.trim().to_owned())
        }
        .boxed()
    }
}

/// A cluster's connection, made when first needed and made anew when its cluster went away.
pub struct Cluster {
    client: ClusterClient,
    connection: Mutex<Option<ClusterConnection>>,
}

impl Cluster {
    async fn connected(&self) -> RedisResult<ClusterConnection> {
        let mut kept = self.connection.lock().await;
        if let Some(connection) = kept.as_ref() {
            return Ok(connection.clone());
        }
        let made = self.client.get_async_connection().await?;
        *kept = Some(made.clone());
        Ok(made)
    }

    /// Forget a connection whose nodes do not answer: it may know only nodes that are gone.
    async fn look_at<T>(&self, found: &RedisResult<T>) {
        let lost =
            |error: &RedisError| error.is_io_error() || error.is_cluster_error() || error.is_unrecoverable_error();
        if found.as_ref().is_err_and(lost) {
            self.connection.lock().await.take();
        }
    }

    /// Ask every node whether the cluster is well; what one of them says to `info`.
    async fn check(&self, info: Cmd) -> Result<Value, Failure> {
        let mut connection = self.connected().await?;
        let mut state = cmd("CLUSTER");
        state.arg("INFO");
        let everywhere = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllNodes, None));
        let found = connection.route_command(state, everywhere).await;
        self.look_at(&found).await;
        let states: Vec<(String, String)> = from_redis_value(found?)?;
        if states.iter().any(|(_, state)| !state.contains("cluster_state:ok")) {
            return Err("a node says that the cluster is not well".into());
        }
        let anywhere = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
        Ok(connection.route_command(info, anywhere).await?)
    }
}
