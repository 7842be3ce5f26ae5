//! Which routes say what is running, and how well?

use std::{collections::BTreeMap, time::Instant};

use actix_web::web::{Data, Json, Path};
use futures_util::future::join_all;
use serde::Serialize;

use super::{Answer, Api};
use crate::{
    configuration::Aggregation,
    dependencies::{Dependencies, NAMES, ask},
    errors::Problem,
};

/// What is running here.
#[derive(Serialize)]
pub struct About {
    name: &'static str,
    framework: &'static str,
    version: &'static str,
    runtime: &'static str,
    server: &'static str,
    aggregation: Aggregation,
}

/// The API itself answers. Dependencies are not asked.
#[derive(Serialize)]
pub struct Health {
    status: &'static str,
}

/// What one dependency answered just now, how long that took, and why not if it did not.
#[derive(Serialize)]
pub struct DependencyHealth {
    status: &'static str,
    latency_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Every dependency, asked just now. Healthy when every configured one is.
#[derive(Serialize)]
pub struct OverallHealth {
    status: &'static str,
    dependencies: BTreeMap<&'static str, DependencyHealth>,
}

/// What is running here.
pub async fn get_root(api: Data<Api>) -> Json<About> {
    Json(About {
        name: "reference-api",
        framework: "Actix Web",
        version: env!("ACTIX_WEB_VERSION"),
        runtime: concat!("Rust ", env!("RUST_VERSION")),
        server: concat!("Rust ", env!("RUST_VERSION"), ", actix-http ", env!("ACTIX_HTTP_VERSION")),
        aggregation: api.aggregation,
    })
}

/// Whether the API itself answers.
pub async fn get_health() -> Json<Health> {
    Json(Health { status: "healthy" })
}

/// Ask every configured dependency, one after the other or all at once, as configured.
pub async fn get_health_all(api: Data<Api>) -> Json<OverallHealth> {
    let mut answers = Vec::with_capacity(NAMES.len());
    if api.aggregation == Aggregation::Concurrent {
        answers = join_all(NAMES.iter().map(|name| examine(&api.dependencies, name))).await;
    } else {
        for name in NAMES {
            answers.push(examine(&api.dependencies, name).await);
        }
    }
    let degraded = answers.iter().any(|answer| answer.status == "unhealthy");
    Json(OverallHealth {
        status: if degraded { "degraded" } else { "healthy" },
        dependencies: NAMES.into_iter().zip(answers).collect(),
    })
}

/// Ask one dependency.
pub async fn get_health_of_dependency(api: Data<Api>, asked: Path<String>) -> Answer<DependencyHealth> {
    let Some(name) = NAMES.into_iter().find(|name| *name == *asked) else {
        let there = NAMES.join(", ");
        return Err(Problem::NotFound(format!("no dependency is called {asked}; there are {there}")));
    };
    health_of(&api.dependencies, name).await.map(Json)
}

/// What a dependency answers just now, and how long that takes.
async fn health_of(dependencies: &Dependencies, name: &'static str) -> Result<DependencyHealth, Problem> {
    let dependency = dependencies.get(name)?;
    let begin = Instant::now();
    let version = ask(name, dependency.check()).await?;
    Ok(DependencyHealth {
        status: "healthy",
        latency_ms: milliseconds_since(begin),
        version: Some(version),
        error: None,
    })
}

/// The health of a dependency, whatever it is: absent and unhealthy are answers too.
async fn examine(dependencies: &Dependencies, name: &'static str) -> DependencyHealth {
    let begin = Instant::now();
    match health_of(dependencies, name).await {
        Ok(health) => health,
        Err(Problem::Absent(_)) => DependencyHealth { status: "absent", latency_ms: 0.0, version: None, error: None },
        Err(problem) => DependencyHealth {
            status: "unhealthy",
            latency_ms: milliseconds_since(begin),
            version: None,
            error: Some(problem.to_string()),
        },
    }
}

/// How long ago that was, to the microsecond.
fn milliseconds_since(begin: Instant) -> f64 {
    begin.elapsed().as_micros() as f64 / 1_000.0
}
