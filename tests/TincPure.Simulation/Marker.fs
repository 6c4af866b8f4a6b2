module TincPure.Simulation.Marker

type Marker = class end
