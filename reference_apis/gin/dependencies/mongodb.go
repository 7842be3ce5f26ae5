package dependencies

import (
	"context"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"reference-api/configuration"
)

// MongoDBQuery is the example.
const MongoDBQuery = "listCollections"

// Collections is what the example answers.
type Collections struct {
	Database    string   `json:"database"`
	Collections []string `json:"collections"`
}

// MongoDB is a client with a pool of its own.
type MongoDB struct {
	client   *mongo.Client
	database string
}

func newMongoDB(settings configuration.MongoDB) (*MongoDB, error) {
	const patience = 1_500 * time.Millisecond
	options := options.Client().ApplyURI(settings.URI.Reveal()).
		SetServerSelectionTimeout(patience).SetConnectTimeout(patience)
	client, err := mongo.Connect(options)
	return &MongoDB{client, settings.Database}, err
}

// Check asks the version.
func (mongodb *MongoDB) Check(ctx context.Context) (string, error) {
	var info struct {
		Version string `bson:"version"`
	}
	err := mongodb.client.Database("admin").RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&info)
	return info.Version, err
}

// AskExample gives the names of the collections.
func (mongodb *MongoDB) AskExample(ctx context.Context) (Collections, error) {
	names, err := mongodb.client.Database(mongodb.database).ListCollectionNames(ctx, bson.D{})
	slices.Sort(names)
	return Collections{mongodb.database, names}, err
}

// Close ends every connection.
func (mongodb *MongoDB) Close() {
	within, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = mongodb.client.Disconnect(within)
}
