// Prints one line for each order: entity, change, total, currency. See ../../consuming.md.
//
//	go run . [COUNT]
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math/big"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Order holds the fields that this program reads; the others are skipped.
type Order struct {
	Meta struct {
		Entity string `avro:"entity"`
		Change string `avro:"change"`
	} `avro:"meta"`
	// A *big.Rat where it is given. Not declared as one: this decoder reads 0 into a *big.Rat of a
	// union with null, without an error.
	Total    any     `avro:"total"`
	Currency *string `avro:"currency"`
}

var schemas = map[uint32]avro.Schema{}

// schemaOf asks the registry for the schema that a record was written with, once for each id.
func schemaOf(id uint32) (avro.Schema, error) {
	if known, ok := schemas[id]; ok {
		return known, nil
	}
	answer, err := http.Get(fmt.Sprintf("%s/schemas/ids/%d", os.Getenv("HOOKLINE_REGISTRY_URL"), id))
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("schema %d: %s", id, answer.Status)
	}
	var body struct {
		Schema string `json:"schema"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		return nil, err
	}
	schema, err := avro.ParseWithCache(body.Schema, "", &avro.SchemaCache{})
	if err == nil {
		schemas[id] = schema
	}
	return schema, err
}

// decode reads the Confluent wire format: a zero byte, the schema's id, the Avro record.
func decode(value []byte) (Order, error) {
	var order Order
	if len(value) < 5 || value[0] != 0 {
		return order, errors.New("not in the Confluent wire format")
	}
	schema, err := schemaOf(binary.BigEndian.Uint32(value[1:5]))
	if err != nil {
		return order, err
	}
	return order, avro.Unmarshal(schema, value[5:], &order)
}

func run(count int) error {
	prefix := os.Getenv("HOOKLINE_PREFIX")
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(os.Getenv("HOOKLINE_BROKERS"), ",")...),
		kgo.ConsumerGroup(prefix+"orders-in-go"),
		kgo.ConsumeTopics(prefix+"hookline.orders"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx := context.Background()
	for count != 0 {
		fetched := client.PollRecords(ctx, 1)
		if err := fetched.Err(); err != nil {
			return err
		}
		for _, record := range fetched.Records() {
			order, err := decode(record.Value)
			if err != nil {
				return fmt.Errorf("%s %d:%d: %w", record.Topic, record.Partition, record.Offset, err)
			}
			total, currency := "-", "-"
			if amount, ok := order.Total.(*big.Rat); ok {
				total = amount.FloatString(4)
			}
			if order.Currency != nil {
				currency = *order.Currency
			}
			fmt.Println(order.Meta.Entity, order.Meta.Change, total, currency)
			// Handled; after a crash the last record comes again.
			if err := client.CommitRecords(ctx, record); err != nil {
				return err
			}
			count--
		}
	}
	return nil
}

func main() {
	count := -1
	if len(os.Args) > 1 {
		parsed, err := strconv.Atoi(os.Args[1])
		if err != nil {
			log.Fatal(err)
		}
		count = parsed
	}
	if err := run(count); err != nil {
		log.Fatal(err)
	}
}
