//! What are the servers that the API uses, and how are they asked without ever waiting too long?

pub mod mongodb;
pub mod mysql;
pub mod postgres;
pub mod rabbitmq;
pub mod redis;
pub mod vault;

use std::{error::Error, future::Future, time::Duration};

use futures_util::future::BoxFuture;
use tokio::time::timeout;

use self::{mongodb::MongoDB, mysql::MySQL, postgres::Postgres, rabbitmq::RabbitMQ, redis::Redis, vault::Vault};
use crate::{configuration::Configuration, errors::Problem};

/// How long a dependency may take, for a whole request or a whole check.
pub const DEADLINE: Duration = Duration::from_secs(2);

/// Every dependency there can be, in the order in which `/health/all` asks.
pub const NAMES: [&str; 6] = ["vault", "postgres", "mysql", "mongodb", "redis", "rabbitmq"];

/// What a driver says when its server is not well.
pub type Failure = Box<dyn Error + Send + Sync>;

/// A server that the API uses. Connections are made when first needed, pooled, and replaced when they break.
pub trait Dependency: Send + Sync {
    /// Ask the server something real; its version.
    fn check(&self) -> BoxFuture<'_, Result<String, Failure>>;
}

/// The dependencies that are configured.
pub struct Dependencies {
    vault: Option<Vault>,
    postgres: Option<Postgres>,
    mysql: Option<MySQL>,
    mongodb: Option<MongoDB>,
    redis: Option<Redis>,
    rabbitmq: Option<RabbitMQ>,
}

impl Dependencies {
    /// A client for every dependency that is configured. Connects to nothing yet, so that the API starts without
    /// its dependencies.
    pub async fn open(configuration: Configuration) -> Result<Self, String> {
        let mongodb = match configuration.mongodb {
            Some(settings) => Some(MongoDB::new(settings).await.map_err(|_| unusable("mongodb"))?),
            None => None,
        };
        Ok(Dependencies {
            vault: opened("vault", configuration.vault, Vault::new)?,
            postgres: opened("postgres", configuration.postgres, Postgres::new)?,
            mysql: opened("mysql", configuration.mysql, |settings| Ok(MySQL::new(settings)))?,
            mongodb,
            redis: opened("redis", configuration.redis, Redis::new)?,
            rabbitmq: opened("rabbitmq", configuration.rabbitmq, |settings| Ok(RabbitMQ::new(settings)))?,
        })
    }

    /// The dependency of that name.
    pub fn get(&self, name: &'static str) -> Result<&dyn Dependency, Problem> {
        match name {
            "vault" => self.vault().map(|it| it as &dyn Dependency),
            "postgres" => self.postgres().map(|it| it as &dyn Dependency),
            "mysql" => self.mysql().map(|it| it as &dyn Dependency),
            "mongodb" => self.mongodb().map(|it| it as &dyn Dependency),
            "redis" => self.redis().map(|it| it as &dyn Dependency),
            "rabbitmq" => self.rabbitmq().map(|it| it as &dyn Dependency),
            _ => Err(Problem::Absent(name)),
        }
    }

    pub fn vault(&self) -> Result<&Vault, Problem> {
        self.vault.as_ref().ok_or(Problem::Absent("vault"))
    }

    pub fn postgres(&self) -> Result<&Postgres, Problem> {
        self.postgres.as_ref().ok_or(Problem::Absent("postgres"))
    }

    pub fn mysql(&self) -> Result<&MySQL, Problem> {
        self.mysql.as_ref().ok_or(Problem::Absent("mysql"))
    }

    pub fn mongodb(&self) -> Result<&MongoDB, Problem> {
        self.mongodb.as_ref().ok_or(Problem::Absent("mongodb"))
    }

    pub fn redis(&self) -> Result<&Redis, Problem> {
        self.redis.as_ref().ok_or(Problem::Absent("redis"))
    }

    pub fn rabbitmq(&self) -> Result<&RabbitMQ, Problem> {
        self.rabbitmq.as_ref().ok_or(Problem::Absent("rabbitmq"))
    }
}

/// What a dependency answers within the deadline. Where it does not, its driver's error is not quoted: drivers like to
/// quote the address they were given, password included.
pub async fn ask<T>(name: &str, answer: impl Future<Output = Result<T, Failure>>) -> Result<T, Problem> {
    match timeout(DEADLINE, answer).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(_)) => Err(Problem::Unreachable(format!("{name} did not answer as it should"))),
        Err(_) => {
            let seconds = DEADLINE.as_secs();
            Err(Problem::Unreachable(format!("{name} did not answer within {seconds} s")))
        }
    }
}

fn opened<Settings, Client>(
    name: &str,
    settings: Option<Settings>,
    make: impl FnOnce(Settings) -> Result<Client, Failure>,
) -> Result<Option<Client>, String> {
    settings.map(make).transpose().map_err(|_| unusable(name))
}

/// Not quoted: the driver's error may hold the password.
fn unusable(name: &str) -> String {
    format!("{name}: the section of the configuration is not as its driver needs it")
}
