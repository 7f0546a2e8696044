package world

import (
	"maps"
	"reflect"
	"sync"
)

// Clone gives a world that is equal and shares nothing that can change: what happens in one does not happen in the other. The same
// ids and secrets will be made in both.
func (w *World) Clone() *World {
	w.Lock()
	defer w.Unlock()
	c := copier{}.value(reflect.ValueOf(w)).Interface().(*World) //nolint:forcetypeassert // a copy has the type of its original
	c.Clock, c.seed, c.next = w.Clock.clone(), w.seed, w.next
	c.GitHub.repoIDs, c.GitHub.blobs = nil, maps.Clone(w.GitHub.blobs)
	return c
}

func (c *Clock) clone() *Clock {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &Clock{offset: c.offset, fixed: c.fixed}
}

// copier copies values with everything that they point to, once each. Fields that are not exported are copied as they are, except in
// a World: who waits for its mutex changes it, also while another holds it.
type copier map[uintptr]reflect.Value

func (c copier) value(from reflect.Value) reflect.Value {
	switch from.Kind() {
	case reflect.Pointer:
		return c.pointer(from)
	case reflect.Struct:
		return c.structure(from)
	case reflect.Map:
		return c.mapping(from)
	case reflect.Slice:
		return c.slice(from)
	case reflect.Interface:
		if !from.IsNil() {
			return c.value(from.Elem())
		}
	}
	return from
}

func (c copier) pointer(from reflect.Value) reflect.Value {
	if from.IsNil() || from.Type() == reflect.TypeFor[*Clock]() {
		return from
	}
	if done, ok := c[from.Pointer()]; ok {
		return done
	}
	to := reflect.New(from.Type().Elem())
	c[from.Pointer()] = to
	to.Elem().Set(c.value(from.Elem()))
	return to
}

func (c copier) structure(from reflect.Value) reflect.Value {
	to := reflect.New(from.Type()).Elem()
	if from.Type() != reflect.TypeFor[World]() {
		to.Set(from)
	}
	for i := range from.NumField() {
		if f := from.Type().Field(i); f.IsExported() && f.Type != reflect.TypeFor[sync.Mutex]() {
			to.Field(i).Set(c.value(from.Field(i)))
		}
	}
	return to
}

func (c copier) mapping(from reflect.Value) reflect.Value {
	if from.IsNil() {
		return from
	}
	to := reflect.MakeMapWithSize(from.Type(), from.Len())
	for it := from.MapRange(); it.Next(); {
		to.SetMapIndex(it.Key(), c.value(it.Value()))
	}
	return to
}

func (c copier) slice(from reflect.Value) reflect.Value {
	if from.IsNil() {
		return from
	}
	to := reflect.MakeSlice(from.Type(), from.Len(), from.Len())
	for i := range from.Len() {
		to.Index(i).Set(c.value(from.Index(i)))
	}
	return to
}
