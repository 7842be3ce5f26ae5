//! Which routes use a dependency the way an application would?

use actix_web::web::{Data, Json};
use serde::Serialize;

use super::{Answer, Api};
use crate::{
    dependencies::{ask, mongodb, mysql, postgres, vault},
    errors::Problem,
    requests::{CacheValue, Fields, Name, message_of},
};

#[derive(Serialize)]
pub struct SecretRead {
    service: String,
    #[serde(flatten)]
    secret: vault::Secret,
}

#[derive(Serialize)]
pub struct QueryResult<T> {
    database: &'static str,
    query: &'static str,
    result: T,
}

#[derive(Serialize)]
pub struct Cached {
    key: String,
    value: String,
}

#[derive(Serialize)]
pub struct CacheStored {
    key: String,
    stored: bool,
    ttl: Option<u64>,
}

#[derive(Serialize)]
pub struct CacheDeleted {
    key: String,
    deleted: bool,
}

#[derive(Serialize)]
pub struct Published {
    queue: String,
    published: bool,
}

#[derive(Serialize)]
pub struct QueueDeleted {
    queue: String,
    messages: u32,
}

/// Read a service's secret from Vault.
pub async fn get_secret(api: Data<Api>, Name(service): Name) -> Answer<SecretRead> {
    let vault = api.dependencies.vault()?;
    match ask("vault", vault.read(&service)).await? {
        Some(secret) => Ok(Json(SecretRead { service, secret })),
        None => Err(Problem::NotFound(format!("Vault has no secret for {service}"))),
    }
}

/// Run a small query on PostgreSQL.
pub async fn query_postgres(api: Data<Api>) -> Answer<QueryResult<postgres::Row>> {
    let postgres = api.dependencies.postgres()?;
    let result = ask("postgres", postgres.ask_example()).await?;
    Ok(Json(QueryResult { database: "postgres", query: postgres::QUERY, result }))
}

/// Run a small query on MySQL.
pub async fn query_mysql(api: Data<Api>) -> Answer<QueryResult<postgres::Row>> {
    let mysql = api.dependencies.mysql()?;
    let result = ask("mysql", mysql.ask_example()).await?;
    Ok(Json(QueryResult { database: "mysql", query: mysql::QUERY, result }))
}

/// Run a small query on MongoDB.
pub async fn query_mongodb(api: Data<Api>) -> Answer<QueryResult<mongodb::Collections>> {
    let mongodb = api.dependencies.mongodb()?;
    let result = ask("mongodb", mongodb.ask_example()).await?;
    Ok(Json(QueryResult { database: "mongodb", query: mongodb::QUERY, result }))
}

/// Read a value from the cache.
pub async fn get_cached(api: Data<Api>, Name(key): Name) -> Answer<Cached> {
    let redis = api.dependencies.redis()?;
    match ask("redis", redis.get(&key)).await? {
        Some(value) => Ok(Json(Cached { key, value })),
        None => Err(Problem::NotFound(format!("the cache has no {key}"))),
    }
}

/// Write a value into the cache.
pub async fn set_cached(api: Data<Api>, Name(key): Name, fields: Fields) -> Answer<CacheStored> {
    let CacheValue { value, ttl } = CacheValue::of(fields)?;
    let redis = api.dependencies.redis()?;
    ask("redis", redis.set(&key, &value, ttl)).await?;
    Ok(Json(CacheStored { key, stored: true, ttl }))
}

/// Remove a value from the cache.
pub async fn delete_cached(api: Data<Api>, Name(key): Name) -> Answer<CacheDeleted> {
    let redis = api.dependencies.redis()?;
    let deleted = ask("redis", redis.delete(&key)).await?;
    Ok(Json(CacheDeleted { key, deleted }))
}

/// Publish a persistent message to a durable queue, and wait for the broker's confirmation.
pub async fn publish(api: Data<Api>, Name(queue): Name, fields: Fields) -> Answer<Published> {
    let message = message_of(&fields)?;
    let rabbitmq = api.dependencies.rabbitmq()?;
    ask("rabbitmq", rabbitmq.publish(&queue, &message)).await?;
    Ok(Json(Published { queue, published: true }))
}

/// Remove a queue with everything in it.
pub async fn delete_queue(api: Data<Api>, Name(queue): Name) -> Answer<QueueDeleted> {
    let rabbitmq = api.dependencies.rabbitmq()?;
    let messages = ask("rabbitmq", rabbitmq.delete(&queue)).await?;
    Ok(Json(QueueDeleted { queue, messages }))
}
