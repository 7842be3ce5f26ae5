//! Which routes are there?

mod examples;
mod health;

use actix_web::web::{self, Json, JsonConfig, ServiceConfig};

use crate::{configuration::Aggregation, dependencies::Dependencies, errors::Problem, requests::LARGEST_BODY_BYTES};

/// What the routes have in common.
pub struct Api {
    pub aggregation: Aggregation,
    pub dependencies: Dependencies,
}

/// What a route answers.
type Answer<T> = Result<Json<T>, Problem>;

/// Give the application its routes. A path is one only as it is written here: `/health/` is none.
pub fn configure(app: &mut ServiceConfig) {
    let bodies = JsonConfig::default()
        .limit(LARGEST_BODY_BYTES)
        .error_handler(|error, _| Problem::Invalid(error.to_string()).into());
    app.app_data(bodies)
        .service(web::resource("/").get(health::get_root))
        .service(web::resource("/health").get(health::get_health))
        .service(web::resource("/health/all").get(health::get_health_all))
        .service(web::resource("/health/{dependency}").get(health::get_health_of_dependency))
        .service(web::resource("/examples/vault/secret/{name}").get(examples::get_secret))
        .service(web::resource("/examples/database/postgres/query").get(examples::query_postgres))
        .service(web::resource("/examples/database/mysql/query").get(examples::query_mysql))
        .service(web::resource("/examples/database/mongodb/query").get(examples::query_mongodb))
        .service(
            web::resource("/examples/cache/{name}")
                .get(examples::get_cached)
                .post(examples::set_cached)
                .delete(examples::delete_cached),
        )
        .service(web::resource("/examples/messaging/publish/{name}").post(examples::publish))
        .service(web::resource("/examples/messaging/queue/{name}").delete(examples::delete_queue))
        .default_service(web::to(no_such_route));
}

async fn no_such_route() -> Result<&'static str, Problem> {
    Err(Problem::NotFound("there is no such route".to_owned()))
}
