package dependencies

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"reference-api/configuration"
)

// Secret is a secret from Vault, its passwords masked.
type Secret struct {
	Service string                     `json:"service"`
	Data    map[string]json.RawMessage `json:"data"`
	Version int                        `json:"version"`
}

// Vault is an HTTP client with kept connections. Secrets are read each time they are asked for, never kept.
type Vault struct {
	address string
	token   configuration.Secret
	client  *http.Client
}

var (
	errMissing = errors.New("Vault has no such secret")
	masked     = json.RawMessage(`"********"`)
)

func newVault(settings configuration.Vault) (*Vault, error) {
	return &Vault{
		address: strings.TrimSuffix(settings.Address, "/"),
		token:   settings.Token,
		client: &http.Client{
			Transport:     &http.Transport{MaxIdleConnsPerHost: 32, IdleConnTimeout: 75 * time.Second},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Check asks the version; a sealed or standing-by Vault answers with another status than 200.
func (vault *Vault) Check(ctx context.Context) (string, error) {
	var health struct {
		Version string `json:"version"`
	}
	err := vault.get(ctx, "/v1/sys/health", &health)
	if err == nil && health.Version == "" {
		err = errors.New("an answer without a version: it is not Vault that answers")
	}
	return health.Version, err
}

// Read gives the newest secret of a service, or nil if there is none.
func (vault *Vault) Read(ctx context.Context, service string) (*Secret, error) {
	var answer struct {
		Data struct {
			Data     map[string]json.RawMessage `json:"data"`
			Metadata struct {
				Version int `json:"version"`
			} `json:"metadata"`
		} `json:"data"`
	}
	if err := vault.get(ctx, "/v1/secret/data/"+service, &answer); errors.Is(err, errMissing) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if answer.Data.Data == nil {
		return nil, errors.New("an answer without data: it is not Vault that answers")
	}
	for name := range answer.Data.Data {
		if strings.Contains(name, "password") {
			answer.Data.Data[name] = masked
		}
	}
	return &Secret{service, answer.Data.Data, answer.Data.Metadata.Version}, nil
}

// Close ends every connection.
func (vault *Vault) Close() { vault.client.CloseIdleConnections() }

func (vault *Vault) get(ctx context.Context, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, vault.address+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("X-Vault-Token", vault.token.Reveal())
	answer, err := vault.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
		return json.NewDecoder(answer.Body).Decode(into)
	case http.StatusNotFound:
		return errMissing
	default:
		return fmt.Errorf("Vault answered %d", answer.StatusCode)
	}
}
