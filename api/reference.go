package api

import (
	"context"
	"time"

	"github.com/jishi-telemetry/jishi/internal/access"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

type list[T any] struct {
	Body struct {
		Items []T `json:"items" nullable:"false"`
	}
}

func listOf[T any](items []T) *list[T] {
	out := &list[T]{}
	out.Body.Items = items
	if items == nil {
		out.Body.Items = []T{}
	}
	return out
}

// Base is one base.
type Base struct {
	Code      string `json:"code" doc:"Code of the base 基地编码"`
	Name      string `json:"name" doc:"Chinese name 名称"`
	NameEN    string `json:"name_en,omitempty" doc:"English name"`
	Tier      string `json:"tier" enum:"1,5,N" doc:"Place in the 1+5+N network 层级"`
	Equipment int    `json:"equipment" doc:"Number of machines 设备数"`
}

// listBases leaves out what the caller may not look at.
func (s *Server) listBases(ctx context.Context, _ *struct{}) (*list[Base], error) {
	var out []Base
	c := callerOf(ctx)
	for _, b := range s.world().Registry.Bases() {
		if !c.May(access.ViewLive, b.Code) {
			continue
		}
		out = append(out, Base{Code: b.Code, Name: b.Name, NameEN: b.NameEN, Tier: string(b.Tier), Equipment: len(b.Equipment)})
	}
	return listOf(out), nil
}

type baseInput struct {
	Base string `path:"base" maxLength:"64" doc:"Code of the base 基地编码"`
}

// Equipment is one machine.
type Equipment struct {
	ID          string  `json:"id" doc:"设备编号"`
	AssetNumber string  `json:"asset_number,omitempty" doc:"资产编号"`
	Name        string  `json:"name" doc:"名称"`
	NameEN      string  `json:"name_en,omitempty"`
	Model       string  `json:"model,omitempty" doc:"型号"`
	Workshop    string  `json:"workshop" doc:"实训室"`
	Category    string  `json:"category" enum:"general,special" doc:"类别: 通用/专用"`
	Profile     string  `json:"profile" doc:"What proves practice 证据类型"`
	QuotaHours  float64 `json:"quota_hours" doc:"定额机时, hours a year"`
	Signal      string  `json:"signal" enum:"controller,power,none" doc:"What decides the state 状态来源"`
}

func (s *Server) listEquipment(_ context.Context, in *baseInput) (*list[Equipment], error) {
	if err := s.knownBase(in.Base); err != nil {
		return nil, err
	}
	var out []Equipment
	for _, e := range s.world().Registry.EquipmentOf(in.Base) {
		out = append(out, equipmentOf(e))
	}
	return listOf(out), nil
}

func equipmentOf(e registry.Equipment) Equipment {
	return Equipment{
		ID: e.ID, AssetNumber: e.AssetNumber, Name: e.Name, NameEN: e.NameEN, Model: e.Model, Workshop: e.Workshop,
		Category: string(e.Category), Profile: string(e.Profile), QuotaHours: e.QuotaHours, Signal: string(e.Signal.Kind),
	}
}

// Device is one device that was heard of in the last day.
type Device struct {
	ID         string    `json:"id"`
	Registered bool      `json:"registered" doc:"false: nobody has registered it; its evidence is kept 未登记"`
	Samples    int64     `json:"samples" doc:"in the last 24 hours"`
	Taps       int64     `json:"taps"`
	Links      int64     `json:"links"`
	Raw        int64     `json:"raw" doc:"quarantined 隔离"`
	Last       time.Time `json:"last" doc:"event time of the newest record"`
}

func (s *Server) listDevices(ctx context.Context, in *baseInput) (*list[Device], error) {
	if err := s.knownBase(in.Base); err != nil {
		return nil, err
	}
	now := s.o.Now()
	counts, err := s.o.Store.Devices(ctx, in.Base, span.Of(now.Add(-24*time.Hour), now.Add(5*time.Minute)))
	if err != nil {
		return nil, s.problem(err)
	}
	var out []Device
	for _, d := range counts {
		out = append(out, Device{
			ID: d.Device, Registered: s.world().Registry.KnownDevice(in.Base, d.Device), Samples: d.Samples, Taps: d.Taps,
			Links: d.Links, Raw: d.Raw, Last: time.UnixMilli(d.LastMs).UTC(),
		})
	}
	return listOf(out), nil
}
