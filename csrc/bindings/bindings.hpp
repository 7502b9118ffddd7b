// What the binding files share: one function each, called by module.cpp.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "../plan.hpp"

namespace lenet_fast::bindings {

void bind_machine(pybind11::module_& module);    // instruction sets, threads, compiler
void bind_network(pybind11::module_& module);    // Network
void bind_pixels(pybind11::module_& module);     // pixel_range
void bind_plan(pybind11::module_& module);       // Plan, activate
void bind_direct(pybind11::class_<Plan>& plan);  // Plan.predict, Plan.scores, Plan.predict_proba

}  // namespace lenet_fast::bindings
